"""How a deposit comes about, epoch by epoch."""

import torch

from app.lirf import losses
from app.lirf.deposit import DepositResult
from app.lirf.evaluation import class_mask
from app.lirf.networks import Network
from app.lirf.partition import partition
from experiments.reproduce.bench import Bench
from experiments.reproduce.deposits import class_set, deposited
from experiments.reproduce.measures.figures import figures_of
from experiments.reproduce.originals import original
from experiments.reproduce.study import Cell, Measured, Row

BATCH = 500


def deposit_with_curves(bench: Bench, cell: Cell) -> Measured:
    """Deposit ``classes``; ``curves`` has per epoch the report's target and recover net, and the losses.

    ``losses`` are the epoch's means as the deposit reports them, each weighted. ``attention`` is L_at
    between the target and T0 at the epoch's end, on the test images of the deposited classes, which can be
    compared between objectives whatever weight they give it.
    """
    start, classes = original(bench), cell.arguments["classes"]
    points: list[Row] = []

    def look(epoch: int, result: DepositResult) -> None:
        figures = figures_of(bench, start, result.target, result.modules)
        points.append(
            {"epoch": epoch, **figures, "attention": _attention(bench, start, result.target, classes)}
        )

    done = deposited(bench, start, [class_set(bench, classes)], cell.deposit_config, on_epoch=look)
    curves = [
        {
            "epoch": point["epoch"],
            **{net: point[net] for net in ("target", "recover")},
            "losses": terms,
            "attention": point["attention"],
        }
        for point, terms in zip(points, done.curves, strict=True)
    ]
    last = {name: value for name, value in points[-1].items() if name not in {"epoch", "attention"}}
    return Measured({**last, "curves": curves}, (done.work,))


@torch.inference_mode()
def _attention(bench: Bench, original_net: Network, target: Network, classes: list[int]) -> float:
    images = bench.test.images[class_mask(bench.test.labels, classes)]
    before, after = (partition(net.to(bench.device), bench.split)[0] for net in (original_net, target))
    total = 0.0
    for batch in torch.split(images, BATCH):
        inputs = bench.spec.normalise(batch.to(bench.device))
        total += float(losses.attention(after(inputs), before(inputs))) * len(batch)
    return total / len(images)
