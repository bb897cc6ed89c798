"""A deposit of random images, whose set shares its classes: can it still be told that they were trained on?"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from app.lirf.audits.membership import membership_auc
from app.lirf.deposit_set import DepositSet
from app.lirf.evaluation import accuracy, logits
from app.lirf.recover import RecoverNet
from experiments.reproduce.bench import Bench
from experiments.reproduce.deposits import deposited
from experiments.reproduce.measures.draws import some_rows
from experiments.reproduce.measures.figures import BATCH, figures_of
from experiments.reproduce.originals import original
from experiments.reproduce.study import Cell, Measured, Row


@dataclass(frozen=True)
class Answers:
    """Logits [N, C] of one net for labelled images, and their labels [N]."""

    logits: Tensor
    labels: Tensor

    @property
    def losses(self) -> Tensor:
        """Cross entropy of each image, nats: float32 [N]."""
        return F.cross_entropy(self.logits.float(), self.labels, reduction="none")

    @property
    def accuracy(self) -> float:
        return accuracy(self.logits, self.labels)


def deposit_random_images(bench: Bench, cell: Cell) -> Measured:
    """Deposit ``percent`` of the training images, drawn with the cell's seed, as a set that shares its classes.

    No test image is to be forgotten, so Pre and Avg are both the accuracy on the whole test set, and Dep, F
    and H are null. ``membership`` has per net ``auc`` of D_r against the test images (0..1), mean ``loss`` (nats)
    and ``accuracy`` (percent) on ``set`` and ``test``, and ``agreement``: the share of test images that the
    net names as T0 does, percent.
    """
    start = original(bench)
    share = cell.arguments["percent"] / 100
    rows = some_rows(bench.train, round(share * len(bench.train)), 1.0, cell.seed)
    some = DepositSet(bench.train.images[rows], bench.train.labels[rows], None)
    done = deposited(bench, start, [some], cell.deposit_config)
    nobody = torch.zeros(len(bench.test), dtype=torch.bool)
    figures = figures_of(bench, start, done.target, done.modules, deposited=nobody)
    figures["target"] |= {"h": None, "h_rows_kept": None}
    nets = {"original": start, "target": done.target, "recover": RecoverNet(done.target, done.modules)}
    inside = {name: _answers(bench, net, some.images, some.labels) for name, net in nets.items()}
    outside = {name: _answers(bench, net, bench.test.images, bench.test.labels) for name, net in nets.items()}
    membership = {name: _told(inside[name], outside[name], outside["original"]) for name in nets}
    return Measured({**figures, "membership": membership, "set_images": len(rows)}, (done.work,))


def _answers(bench: Bench, net: nn.Module, images: Tensor, labels: Tensor) -> Answers:
    bench.watch(f"losses of {len(images)} images", 0, 1)
    return Answers(logits(net.to(bench.device), images, bench.spec, BATCH), labels)


def _told(inside: Answers, outside: Answers, before: Answers) -> Row:
    """What tells the net's set from the test images; ``before`` are T0's answers to the latter."""
    return {
        "auc": membership_auc(inside.losses, outside.losses),
        "loss": {"set": float(inside.losses.mean()), "test": float(outside.losses.mean())},
        "accuracy": {"set": inside.accuracy, "test": outside.accuracy},
        "agreement": accuracy(outside.logits, before.logits.argmax(dim=1)),
    }
