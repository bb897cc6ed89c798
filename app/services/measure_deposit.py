"""Measure a deposit on the test set that its order named."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from app.db.session import Sessions
from app.lirf.data.images import fit
from app.lirf.deposit import DepositResult
from app.lirf.deposit_set import DepositSet
from app.lirf.evaluation import report
from app.lirf.networks import Network
from app.services.deposit_ground import Ground, model_labels
from app.services.find import dataset_of
from app.services.plans import open_dataset


def measure_deposit(
    sessions: Sessions, ground: Ground, original: Network, result: DepositResult, sets: Sequence[DepositSet]
) -> dict[str, Any] | None:
    """Every figure on the test set that the order named; None if it named none.

    Sets that share their classes with kept data have no test images of their own: for them the deposit images
    join the test set, and Dep is measured on these.
    """
    if ground.test_id is None:
        return None
    with sessions.read() as session:
        test = dataset_of(session, ground.test_id)
        data = open_dataset(session, test)
        index = data.index
        there = (~index.removed).nonzero().flatten()
        images = data.images(there.tolist())
    labels = model_labels(index.labels[there], index.classes, ground.classes)
    known = ~torch.isin(labels, torch.tensor(ground.absent, dtype=labels.dtype))
    mixed = [one for one in sets if one.classes is None]
    owned = [label for one in sets for label in one.classes or ()]
    of_classes = torch.isin(labels[known], torch.tensor(owned, dtype=labels.dtype))
    figures = report(
        original,
        result.target,
        result.modules,
        ground.plan.spec,
        torch.cat([fit(images[known], *ground.plan.spec.shape), *(one.images for one in mixed)]),
        torch.cat([labels[known], *(one.labels for one in mixed)]),
        torch.cat([of_classes, *(torch.ones(len(one.labels), dtype=torch.bool) for one in mixed)]),
    )
    shown = {name: _presentable(values, ground.classes) for name, values in figures.items()}
    return {**shown, "n": int(known.sum()), "dataset": test.name}


def _presentable(figures: dict[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    """Class names for indices, and null for the accuracy of no images, which JSON cannot say otherwise."""
    shown: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            shown[name] = {classes[index]: accuracy for index, accuracy in value.items()}
        else:
            shown[name] = None if math.isnan(value) else value
    return shown
