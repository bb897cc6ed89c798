"""Cells that deposit the first classes of the data as one set."""

from collections.abc import Callable

from experiments.reproduce.bench import Bench
from experiments.reproduce.measures.whole_classes import deposit_classes
from experiments.reproduce.study import Cell, Measured, Scope

SHOWS = {
    "target Pre": "target.pre",
    "target Dep": "target.dep",
    "target H": "target.h",
    "rows back Pre": "target.pre_rows_kept",
    "rows back Dep": "target.dep_rows_kept",
    "rows back H": "target.h_rows_kept",
    "recover Pre": "recover.pre",
    "recover Dep": "recover.dep",
    "recover Avg": "recover.avg",
    "oracle Avg": "oracle.avg",
}
"""Column -> place in the row of such a cell."""


def first_classes(
    scope: Scope,
    method: str,
    percent: int,
    seed: int,
    compute: Callable[[Bench, Cell], Measured] = deposit_classes,
) -> Cell:
    """A cell with the first so many percent of the classes as its ``classes``."""
    classes = scope.first(percent)
    refusal = f"{percent} % of {len(scope.classes)} classes are no whole classes that leave one to preserve"
    return Cell(
        method=method,
        setting=f"{percent}%",
        seed=seed,
        compute=compute,
        config=scope.config(method, seed),
        arguments={"classes": list(classes or ())},
        not_run=None if classes else refusal,
    )
