"""The nets that attacks are compared on: T0, one retrained without the deposited classes, and targets."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from app.lirf.evaluation import accuracies, class_mask, logits
from app.lirf.networks import Network
from app.lirf.rows import with_rows
from experiments.reproduce.bench import Bench
from experiments.reproduce.deposits import class_set, deposited
from experiments.reproduce.measures.figures import BATCH, figures_of, forgotten
from experiments.reproduce.originals import original, trained
from experiments.reproduce.study import ORIGINAL, Cell, Measured, Row, Work

RETRAINED = "retrained"
"""Method of a network that was trained on the preserved classes alone."""


@dataclass(frozen=True)
class Audited:
    """A net that is attacked, and what its output shows.

    Attributes:
        net: as it is served.
        restored: the same with its sealed rows put back.
        original_dep: Dep(T0), percent.
        figures: accuracies, as rows hold them.
        works: the trainings behind the net.
    """

    net: Network
    restored: Network
    original_dep: float
    figures: Row
    works: tuple[Work, ...]

    def measured(self, further: Row, works: Sequence[Work] = ()) -> Measured:
        """The row's figures with those of attacks."""
        return Measured({**self.figures, **further}, (*self.works, *works))


def audited(bench: Bench, cell: Cell) -> Audited:
    """The net of the cell's method: `ORIGINAL`, `RETRAINED` (with its training config), or a target of ``classes``."""
    start, classes = original(bench), cell.arguments["classes"]
    if cell.method not in (ORIGINAL, RETRAINED):
        done = deposited(bench, start, [class_set(bench, classes)], cell.deposit_config)
        restored = with_rows(done.target, [(one.filter.classes, one.tensors) for one in done.modules])
        figures = figures_of(bench, start, done.target, done.modules)
        return _audited(bench, done.target, restored, figures, (done.work,))
    before = _accuracies(bench, start, classes)
    if cell.method == ORIGINAL:
        return _audited(bench, start, start, {"original": before}, ())
    preserved = [index for index in range(len(bench.train.classes)) if index not in classes]
    other = trained(bench, preserved, cell.train_config)
    after = _accuracies(bench, other.net, classes)
    figures = {
        "original": before,
        RETRAINED: {**after, **forgotten(after["pre"], before["dep"], after["dep"])},
    }
    return _audited(bench, other.net, other.net, figures, (other.work,))


def quick(bench: Bench, net: Network) -> Network:
    """A copy on the bench's device in the memory layout that convolutions read fastest."""
    return copy.deepcopy(net).to(bench.device).to(memory_format=torch.channels_last)


def _audited(bench: Bench, net: Network, restored: Network, figures: Row, works: tuple[Work, ...]) -> Audited:
    sized = {**figures, "test_images": len(bench.test)}
    return Audited(quick(bench, net), quick(bench, restored), figures["original"]["dep"], sized, works)


def _accuracies(bench: Bench, net: Network, classes: Sequence[int]) -> dict[str, float]:
    answers = logits(quick(bench, net), bench.test.images, bench.spec, BATCH)
    return accuracies(answers, bench.test.labels, class_mask(bench.test.labels, classes))
