"""The two sets of the supplement's Tables 2 and 3: the first 20 % of the classes and the next 20 %."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from experiments.reproduce.study import METHODS, ORIGINAL, Cell, Line, Measured, Scope

if TYPE_CHECKING:
    from experiments.reproduce.bench import Bench

FIRST, SECOND = "set1", "set2"
PERCENT = 20
PRINTED = ("Pre", "D1", "D2", "H or Avg")
ORIGINAL_LINE = Line(
    ("Original", ""),
    "once",
    {
        "Pre": "original.pre",
        "D1": "sets.original.set1",
        "D2": "sets.original.set2",
        "H or Avg": "original.avg",
    },
    {"Pre": 94.80, "D1": 96.43, "D2": 90.58, "H or Avg": 94.28},
    methods=(ORIGINAL,),
)


def sets_of(scope: Scope) -> tuple[dict[str, list[int]], str | None]:
    """The sets' classes, and why there are no such sets where the classes cannot be divided so."""
    first = scope.first(PERCENT)
    second = scope.first(PERCENT, start=len(first or ()))
    if not first or not second:
        return {
            FIRST: [],
            SECOND: [],
        }, f"twice {PERCENT} % of {len(scope.classes)} classes are no whole classes"
    return {FIRST: list(first), SECOND: list(second)}, None


def recovered(*shown: str) -> dict[str, str]:
    """Where a recover net's figures stand, with the accuracies on these sets."""
    places = {"D1": "sets.recover.set1", "D2": "sets.recover.set2"}
    return {
        "Pre": "recover.pre",
        **{column: place for column, place in places.items() if column in shown},
        "H or Avg": "recover.avg",
    }


def cells_of(
    scope: Scope,
    compute: Callable[["Bench", Cell], Measured],
    argument: str,
    settings: Mapping[str, Sequence[object]],
) -> list[Cell]:
    """Per seed, setting and method one cell, which is told the sets and, under ``argument``, what is done to them."""
    sets, refusal = sets_of(scope)
    return [
        Cell(
            method=method,
            setting=setting,
            seed=seed,
            compute=compute,
            config=scope.config(method, seed),
            arguments={"sets": sets, argument: value},
            not_run=refusal,
        )
        for seed in scope.seeds
        for setting, value in settings.items()
        for method in METHODS
    ]
