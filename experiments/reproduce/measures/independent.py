"""Networks that never saw the other part of the data, for comparison."""

from app.lirf.evaluation import accuracies, class_mask, logits
from experiments.reproduce.bench import Bench
from experiments.reproduce.originals import trained
from experiments.reproduce.study import Cell, Measured


def train_apart(bench: Bench, cell: Cell) -> Measured:
    """One network trained on the preserved classes alone, one on the deposited ``classes`` alone.

    Pre is of the first and Dep of the second. Avg weights both by their images, so it asks the label which
    network to use: no single network has it.
    """
    deposited = tuple(cell.arguments["classes"])
    preserved = [index for index in range(len(bench.test.classes)) if index not in deposited]
    parts = [trained(bench, classes, cell.train_config) for classes in (preserved, deposited)]
    kept, other = (logits(part.net.to(bench.device), bench.test.images, bench.spec) for part in parts)
    mask = class_mask(bench.test.labels, deposited)
    answers = kept.where(~mask[:, None], other)
    figures = {"independent": accuracies(answers, bench.test.labels, mask), "test_images": len(bench.test)}
    return Measured(figures, tuple(part.work for part in parts))
