"""Supplement, Table 2: two sets deposited at once, or one after the other in either order."""

from experiments.reproduce.measures.several_sets import deposit_in_steps
from experiments.reproduce.picture import bar_panels
from experiments.reproduce.studies.two_sets import FIRST, ORIGINAL_LINE, PRINTED, SECOND, cells_of, recovered
from experiments.reproduce.study import Cell, Line, Scope, Study
from experiments.reproduce.table import markdown

STEPS = {
    "once": [[FIRST, SECOND]],
    "sequence-1": [[FIRST]],
    "sequence-2": [[FIRST], [SECOND]],
    "inverse-1": [[SECOND]],
    "inverse-2": [[SECOND], [FIRST]],
}
"""Setting -> the deposits that are done when its row is measured."""


def cells(scope: Scope) -> list[Cell]:
    return cells_of(scope, deposit_in_steps, "steps", STEPS)


def _targets(*shown: str) -> dict[str, str]:
    places = {"D1": "sets.target.set1", "D2": "sets.target.set2"}
    back = {"D1": "sets.rows_kept.set1", "D2": "sets.rows_kept.set2"}
    return {
        "Pre": "target.pre",
        **{column: places[column] for column in shown},
        "H or Avg": "step.h",
        "rows back Pre": "target.pre_rows_kept",
        **{f"rows back {column}": back[column] for column in shown},
        "rows back H": "step.h_rows_kept",
    }


def _line(labels: tuple[str, str], setting: str, shows: dict[str, str], *figures: float | None) -> Line:
    paper = {name: figure for name, figure in zip(PRINTED, figures, strict=True) if figure is not None}
    return Line(labels, setting, shows, paper)


BOTH = ("D1", "D2")
LINES = (
    ORIGINAL_LINE,
    _line(("Once", "Deposit"), "once", _targets(*BOTH), 95.41, 15.37, 17.64, 85.22),
    _line(("", "Withdraw"), "once", recovered(*BOTH), 94.94, 96.20, 97.06, 95.62),
    _line(("Sequence", "Deposit(1)"), "sequence-1", _targets("D1"), 93.97, 16.64, None, 86.30),
    _line(("", "Deposit(2)"), "sequence-2", _targets(*BOTH), 93.19, None, 14.48, 83.78),
    _line(("", "Withdraw"), "sequence-2", recovered(*BOTH), 93.01, 97.23, 96.56, 94.36),
    _line(("Sequence-inv", "Deposit(1)"), "inverse-1", _targets("D2"), 93.85, None, 19.17, 81.11),
    _line(("", "Deposit(2)"), "inverse-2", _targets(*BOTH), 93.92, 14.37, None, 87.62),
    _line(("", "Withdraw"), "inverse-2", recovered(*BOTH), 93.26, 97.96, 95.83, 94.71),
)

STUDY = Study(
    name="table2",
    title="Two sets, deposited at once or in sequence",
    source="supplement, Table 2, CIFAR-10",
    heads=("order", "process"),
    columns=(*PRINTED, "rows back Pre", "rows back D1", "rows back D2", "rows back H"),
    lines=LINES,
    cells=cells,
    table=markdown,
    draw=bar_panels,
    notes=(
        "D1 and D2 are the accuracies on the first 20 % of the classes and on the next 20 %.",
        "Pre is on the classes that are still preserved after the step, so it is on more classes after Deposit(1).",
        (
            "H of a deposit is on what this step deposited, Avg of the recover net with everything withdrawn on the "
            "whole test set."
        ),
        "At Deposit(2) we also give what the target still answers of the set deposited before.",
    ),
)
