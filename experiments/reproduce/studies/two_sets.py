"""The two sets of the supplement's Tables 2 and 3: the first 20 % of the classes and the next 20 %."""

from experiments.reproduce.study import ORIGINAL, Line, Scope

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
