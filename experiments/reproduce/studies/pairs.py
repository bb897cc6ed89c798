"""Whole classes: four pairs and three shares, with both sides of the composition measured alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from experiments.reproduce.measures.against_original import deposit_and_compare
from experiments.reproduce.picture import bar_panels
from experiments.reproduce.studies import table1
from experiments.reproduce.studies.shares import SHOWS, first_classes
from experiments.reproduce.study import METHODS, ORIGINAL, Cell, Line, Row, Scope, Study
from experiments.reproduce.table import markdown

PAIRS = ((0, 1), (2, 3), (4, 5), (6, 7))
SHARES = (10, 30, 50)
ORIGINAL_SHOWS = {
    "original Pre": "original.pre",
    "original Dep": "original.dep",
    "original Avg": "original.avg",
}
OURS_SHOWS = {
    **{column: place for column, place in SHOWS.items() if column != "oracle Avg"},
    "Δ Avg": "difference.avg",
    "T0 + T_r": "swap.original_target",
    "T + T0": "swap.original_branches",
    "oracle Avg": SHOWS["oracle Avg"],
}


def cells(scope: Scope) -> list[Cell]:
    return [
        cell
        for seed in scope.seeds
        for cell in (
            *(_pair(scope, method, pair, seed) for pair in PAIRS for method in METHODS),
            *(
                first_classes(scope, method, percent, seed, deposit_and_compare)
                for percent in SHARES
                for method in METHODS
            ),
        )
    ]


def named(study: Study, rows: Sequence[Row]) -> Study:
    """The study with the names of a pair's classes for their numbers, as far as rows were run that say them."""
    names = {
        row["setting"]: row["works"][0]["deposited"][0].replace(",", ", ")
        for row in rows
        if not row.get("not_run")
    }
    pairs = {_setting(pair) for pair in PAIRS}
    lines = tuple(
        replace(line, labels=(names[line.setting],))
        if line.labels[0] and line.setting in pairs and line.setting in names
        else line
        for line in study.lines
    )
    return replace(study, lines=lines)


def table(study: Study, rows: Sequence[Row]) -> str:
    return markdown(named(study, rows), rows)


def draw(study: Study, rows: Sequence[Row], path: Path) -> None:
    bar_panels(named(study, rows), rows, path)


def _setting(pair: tuple[int, int]) -> str:
    return f"pair{pair[0]}-{pair[1]}"


def _pair(scope: Scope, method: str, pair: tuple[int, int], seed: int) -> Cell:
    inside = max(pair) < len(scope.classes) and len(scope.classes) > len(pair)
    refusal = (
        f"{len(scope.classes)} classes have no classes {pair[0]} and {pair[1]} that leave one to preserve"
    )
    return Cell(
        method=method,
        setting=_setting(pair),
        seed=seed,
        compute=deposit_and_compare,
        config=scope.config(method, seed),
        arguments={"classes": list(pair)},
        not_run=None if inside else refusal,
    )


def _lines(label: str, setting: str, paper: dict[str, float]) -> tuple[Line, Line]:
    return (
        Line((label,), setting, ORIGINAL_SHOWS, methods=(ORIGINAL,)),
        Line(("",), setting, OURS_SHOWS, paper),
    )


STUDY = Study(
    name="pairs",
    title="Whole classes deposited: four pairs and three shares",
    source="supplement, Table 1, CIFAR-10, for the shares; nothing is published for the pairs",
    heads=("deposited",),
    columns=(*ORIGINAL_SHOWS, *OURS_SHOWS),
    lines=(
        *(line for pair in PAIRS for line in _lines(f"classes {pair[0]}, {pair[1]}", _setting(pair), {})),
        *(
            line
            for percent in SHARES
            for line in _lines(
                f"{percent} %",
                f"{percent}%",
                dict(zip(table1.PRINTED, table1.PUBLISHED[percent], strict=True)),
            )
        ),
    ),
    cells=cells,
    table=table,
    draw=draw,
    notes=(
        "Pairs are the classes in twos, in their order; a share is the first classes. Each is deposited as one set.",
        "Δ Avg is Avg of the recover net less that of the original, percentage points.",
        (
            "T0 + T_r is Avg with the original's preserved logits and the module's deposited ones, so it tells what "
            "the module costs; T + T0, the target's preserved logits with the original's deposited ones, what the "
            "target costs."
        ),
    ),
)
