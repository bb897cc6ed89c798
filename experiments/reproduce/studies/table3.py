"""Supplement, Table 3: two sets deposited at once and withdrawn together or in either order."""

from experiments.reproduce.measures.several_sets import withdraw_in_steps
from experiments.reproduce.picture import bar_panels
from experiments.reproduce.studies.two_sets import FIRST, ORIGINAL_LINE, PRINTED, SECOND, cells_of, recovered
from experiments.reproduce.study import Cell, Line, Scope, Study
from experiments.reproduce.table import markdown

ORDERS = {
    "once": [FIRST, SECOND],
    "sequence-1": [FIRST],
    "sequence-2": [FIRST, SECOND],
    "inverse-1": [SECOND],
    "inverse-2": [SECOND, FIRST],
}
"""Setting -> what is withdrawn when its row is measured, in this order."""


def cells(scope: Scope) -> list[Cell]:
    return cells_of(scope, withdraw_in_steps, "order", ORDERS)


FINAL = dict(zip(PRINTED, (94.94, 96.20, 97.06, 95.62), strict=True))
LINES = (
    ORIGINAL_LINE,
    Line(("Once", "Withdraw"), "once", recovered("D1", "D2"), FINAL),
    Line(
        ("Sequence", "Withdraw(1)"),
        "sequence-1",
        recovered("D1"),
        {"Pre": 95.22, "D1": 96.89, "H or Avg": 95.64},
    ),
    Line(("", "Withdraw(2)"), "sequence-2", recovered("D1", "D2"), FINAL),
    Line(
        ("Sequence-inv", "Withdraw(1)"),
        "inverse-1",
        recovered("D2"),
        {"Pre": 95.29, "D2": 97.46, "H or Avg": 95.83},
    ),
    Line(("", "Withdraw(2)"), "inverse-2", recovered("D1", "D2"), FINAL),
)

STUDY = Study(
    name="table3",
    title="Two sets, withdrawn at once or in either order",
    source="supplement, Table 3, CIFAR-10",
    heads=("order", "process"),
    columns=PRINTED,
    lines=LINES,
    cells=cells,
    table=markdown,
    draw=bar_panels,
    notes=(
        (
            "Both sets were deposited at once. D1 and D2 are the accuracies on the first 20 % of the classes and on "
            "the next 20 %."
        ),
        (
            "After Withdraw(1) the recover net is measured on the test images of the classes that it knows: all but "
            "those of the set still deposited."
        ),
        (
            "Every row with both sets withdrawn has compared its recover net, withdrawn step by step in its order, "
            "with that of both at once: the same tensors, and the same bits in every logit."
        ),
    ),
)
