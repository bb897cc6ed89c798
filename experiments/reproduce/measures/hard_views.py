"""A recover net on validation data that is as hard as new images: training images, slightly moved."""

from dataclasses import replace

import torch
from torch import Tensor

from app.lirf.evaluation import accuracy, answers_of, class_mask, swap
from app.lirf.filters import compose
from app.lirf.framing import moved
from app.lirf.module import LEVEL
from app.lirf.recover import RecoverNet
from experiments.reproduce.bench import Bench
from experiments.reproduce.deposits import class_set, deposited
from experiments.reproduce.measures.draws import some_rows
from experiments.reproduce.measures.figures import BATCH
from experiments.reproduce.originals import original
from experiments.reproduce.study import Cell, Measured

VIEWS = 6_000
SEED = 4
"""Of the views: the same for all rows."""


def deposit_and_view(bench: Bench, cell: Cell) -> Measured:
    """Deposit ``classes`` and answer views of training images of all classes; no test image is read.

    ``views``: accuracies of T0 (``original``), of T~ (``recover``), of T~ without its module's level (``unlevelled``)
    and of the swaps, without level too; the ``level``, and by how much the module's deposit logits are higher than
    T0's on preserved images (``overrated``), also without it.
    """
    start = original(bench)
    done = deposited(bench, start, [class_set(bench, cell.arguments["classes"])], cell.deposit_config)
    (module,) = done.modules
    plain = replace(module, tensors={name: one for name, one in module.tensors.items() if name != LEVEL})
    rows = some_rows(bench.train, VIEWS, 1.0, SEED)
    labels = bench.train.labels[rows]
    images = _moved(bench.train.images[rows])
    bench.watch(f"answers to {len(images)} views", 0, 1)
    before = answers_of(RecoverNet(start), images, bench.spec, BATCH)[0]
    target, _, branch = answers_of(RecoverNet(done.target, [plain]), images, bench.spec, BATCH)
    levels = module.tensors.get(LEVEL, torch.zeros(before.shape[1]))
    level = float(levels[module.filter.classes[0]])
    recover, unlevelled = (compose(target, [(module.filter, branch + shift)]) for shift in (level, 0.0))
    swaps = swap({"original": before, "target": target, "recover": unlevelled}, [plain], labels)
    kept = ~class_mask(labels, module.filter.classes)
    error = module.filter.select(branch)[kept] - module.filter.select(before)[kept]
    views = {
        "original": accuracy(before, labels),
        "recover": accuracy(recover, labels),
        "unlevelled": accuracy(unlevelled, labels),
        **swaps,
        "level": level,
        "overrated": float(error.mean()),
    }
    return Measured({"views": views, "images": len(images)}, (done.work,))


def _moved(images: Tensor) -> Tensor:
    """Views as pixels: uint8 [N, C, H, W]."""
    chance = torch.Generator().manual_seed(SEED)
    shown = [moved(batch.float(), chance) for batch in torch.split(images, BATCH)]
    return torch.cat(shown).round().clamp(0, 255).byte()
