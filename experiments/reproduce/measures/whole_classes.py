"""One deposit of whole classes from T0."""

from experiments.reproduce.bench import Bench
from experiments.reproduce.deposits import class_set, deposited
from experiments.reproduce.measures.figures import figures_of
from experiments.reproduce.originals import original
from experiments.reproduce.study import Cell, Measured


def deposit_classes(bench: Bench, cell: Cell) -> Measured:
    """Deposit ``classes`` at once, as one set."""
    start = original(bench)
    done = deposited(bench, start, [class_set(bench, cell.arguments["classes"])], cell.deposit_config)
    return Measured(figures_of(bench, start, done.target, done.modules), (done.work,))
