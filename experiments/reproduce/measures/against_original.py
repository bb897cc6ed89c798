"""One deposit of whole classes, with what it costs the recover net."""

from experiments.reproduce.bench import Bench
from experiments.reproduce.measures.whole_classes import deposit_classes
from experiments.reproduce.study import Cell, Measured


def deposit_and_compare(bench: Bench, cell: Cell) -> Measured:
    """Deposit ``classes`` at once; ``difference.avg`` is Avg(T~) − Avg(T0), percentage points."""
    measured = deposit_classes(bench, cell)
    figures = measured.figures
    lost = figures["recover"]["avg"] - figures["original"]["avg"]
    return Measured({**figures, "difference": {"avg": lost}}, measured.works)
