"""Main paper, Table 1: 30 % of CIFAR-10's classes, and what networks trained apart reach."""

from dataclasses import replace

from experiments.reproduce.measures.independent import train_apart
from experiments.reproduce.picture import bar_panels
from experiments.reproduce.studies.shares import first_classes
from experiments.reproduce.study import METHODS, ORIGINAL, Cell, Line, Scope, Study
from experiments.reproduce.table import markdown

PERCENT = 30
DEPOSIT = f"{PERCENT}%"
INDEPENDENT = "independent"


def cells(scope: Scope) -> list[Cell]:
    return [
        cell
        for seed in scope.seeds
        for cell in (
            _apart(scope, seed),
            *(first_classes(scope, method, PERCENT, seed) for method in METHODS),
        )
    ]


def _apart(scope: Scope, seed: int) -> Cell:
    classes = scope.first(PERCENT)
    refusal = None if classes else f"{PERCENT} % of {len(scope.classes)} classes are no whole classes"
    return Cell(
        method=INDEPENDENT,
        setting=INDEPENDENT,
        seed=seed,
        compute=train_apart,
        config=replace(scope.train, seed=seed),
        arguments={"classes": list(classes or ())},
        not_run=refusal or (None if scope.independent else "needs --independent"),
    )


def _all(net: str) -> dict[str, str]:
    return {"Pre": f"{net}.pre", "Dep": f"{net}.dep", "Avg": f"{net}.avg"}


LINES = (
    Line(
        ("Independent",),
        INDEPENDENT,
        _all("independent"),
        {"Pre": 92.92, "Dep": 96.61, "Avg": 94.02},
        methods=(INDEPENDENT,),
    ),
    Line(
        ("Original",),
        DEPOSIT,
        _all("original"),
        {"Pre": 93.77, "Dep": 94.60, "Avg": 94.06},
        methods=(ORIGINAL,),
    ),
    Line(
        ("Deposit",),
        DEPOSIT,
        {
            "Pre": "target.pre",
            "Dep": "target.dep",
            "F": "target.f",
            "H": "target.h",
            "rows back Pre": "target.pre_rows_kept",
            "rows back Dep": "target.dep_rows_kept",
            "rows back H": "target.h_rows_kept",
        },
        {"Pre": 93.41, "Dep": 15.00, "F": 79.60, "H": 85.95},
    ),
    Line(
        ("Withdrawal",),
        DEPOSIT,
        {**_all("recover"), "oracle Avg": "oracle.avg"},
        {"Pre": 94.56, "Dep": 97.92, "Avg": 95.57},
    ),
)

STUDY = Study(
    name="main-table1",
    title="30 % of the classes deposited",
    source="main paper, Table 1, CIFAR-10, ResNet-18",
    heads=("net",),
    columns=("Pre", "Dep", "F", "H", "Avg", "rows back Pre", "rows back Dep", "rows back H", "oracle Avg"),
    lines=LINES,
    cells=cells,
    table=markdown,
    draw=bar_panels,
    notes=(
        (
            "Independent is two networks, one trained on the preserved classes alone and one on the deposited ones; "
            "its Avg asks the label which of them to use."
        ),
    ),
)
