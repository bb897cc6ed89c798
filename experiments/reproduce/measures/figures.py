"""Accuracies of nets on the mixed test set, as rows hold them: class names for indices, null for no images."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from app.lirf.evaluation import accuracy, class_mask, forgetting, harmonic, logits, report
from app.lirf.module import DepositModule
from app.lirf.networks import Network
from app.lirf.rows import with_rows
from experiments.reproduce.bench import Bench
from experiments.reproduce.study import Row

BATCH = 100
"""Images per forward: more of them leave the processor's cache between two layers and take longer."""

Sets = Mapping[str, Sequence[int]]
"""Name of a set -> its classes."""


def figures_of(
    bench: Bench,
    original: Network,
    target: Network,
    modules: Sequence[DepositModule],
    unknown: Sequence[int] = (),
    deposited: Tensor | None = None,
) -> Row:
    """The report on a deposit, all of these modules withdrawn in the recover net.

    Args:
        bench: test set and device.
        original: T0.
        target: T.
        modules: what is withdrawn.
        unknown: classes whose test images are left out, for a recover net that is not meant to know them.
        deposited: bool [N], the test images that should be forgotten; those of the modules' classes if None.
    """
    known = ~class_mask(bench.test.labels, unknown)
    bench.watch(f"measure on {int(known.sum())} test images", 0, 1)
    measured = report(
        original.to(bench.device),
        target.to(bench.device),
        modules,
        bench.spec,
        bench.test.images[known],
        bench.test.labels[known],
        None if deposited is None else deposited[known],
        BATCH,
    )
    return {**_presentable(measured, bench.test.classes), "test_images": int(known.sum())}


def without_classes(value: Any) -> Any:
    """Rows without accuracies per class, of which a row of many classes would hold hundreds."""
    if isinstance(value, Mapping):
        return {name: without_classes(one) for name, one in value.items() if name != "per_class"}
    return [without_classes(one) for one in value] if isinstance(value, list) else value


def by_set(bench: Bench, row: Row, sets: Sets) -> dict[str, dict[str, float]]:
    """Accuracy of each net of a report on the test images of each set: net -> set -> percent."""
    per_class = {net: row[net]["per_class"] for net in ("original", "target", "recover")}
    names = bench.test.classes
    return {
        net: {
            name: over(bench, figures, {names[index]: [index] for index in classes})
            for name, classes in sets.items()
        }
        for net, figures in per_class.items()
    }


def rows_kept_by_set(
    bench: Bench, target: Network, modules: Sequence[DepositModule], sets: Sets
) -> dict[str, float]:
    """The same of the target with its sealed rows put back, which a report gives for all sets together only."""
    restored = with_rows(target.to(bench.device), [(one.filter.classes, one.tensors) for one in modules])
    masks = {name: class_mask(bench.test.labels, classes) for name, classes in sets.items()}
    return {
        name: accuracy(logits(restored, bench.test.images[mask], bench.spec, BATCH), bench.test.labels[mask])
        for name, mask in masks.items()
    }


def forgotten(pre: float, before: float, after: float) -> dict[str, float]:
    """Dep, F and H of a target: the accuracy on what it should forget before and after."""
    lost = forgetting(before, after)
    return {"dep": after, "f": lost, "h": harmonic(pre, lost)}


def over(bench: Bench, figures: Mapping[str, float], sets: Sets) -> float:
    """One accuracy on the test images of several sets together, from that on each."""
    counts = {name: int(class_mask(bench.test.labels, classes).sum()) for name, classes in sets.items()}
    return sum(figures[name] * count for name, count in counts.items() if count) / sum(counts.values())


def _presentable(figures: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            named = {classes[key] if isinstance(key, int) else key: one for key, one in value.items()}
            shown[name] = _presentable(named, classes)
        else:
            shown[name] = None if isinstance(value, float) and math.isnan(value) else value
    return shown
