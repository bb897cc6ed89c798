"""What a deposit starts from: the served net, the images to forget and to retain, the test set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from app.db import models as rows
from app.db.repositories import deposits, models
from app.db.session import Sessions
from app.lirf.data.images import fit
from app.lirf.data.selection import select
from app.lirf.deposit_set import DepositSet
from app.lirf.retain import RetainSet
from app.services.find import dataset_of, find_model, served_version
from app.services.plans import network_plan, open_dataset, stored_network, stored_selection
from app.vault.datasets import OpenDataset
from app.vault.networks import NetworkPlan, StoredNetwork


@dataclass(frozen=True)
class Ground:
    """What a deposit starts from, read in one snapshot."""

    plan: NetworkPlan
    base: int
    stored: StoredNetwork
    deposits: Sequence[rows.Deposit]
    dataset_id: str
    test_id: str | None
    classes: list[str]
    absent: tuple[int, ...]


def survey(sessions: Sessions, job: rows.Job) -> Ground:
    with sessions.read() as session:
        model = find_model(session, job.model_id)
        version = served_version(session, model)
        queued = deposits.of_job(session, job.id)
        earlier = deposits.forgotten_by(session, model.id, models.lineage(session, model.id, version.number))
    return Ground(
        plan=network_plan(model),
        base=version.number,
        stored=stored_network(model, version),
        deposits=queued,
        dataset_id=queued[0].dataset_id,
        test_id=queued[0].evaluate_on_id,
        classes=model.classes,
        absent=tuple(sorted({index for row in earlier for index in row.classes or ()})),
    )


def deposit_sets(sessions: Sessions, ground: Ground) -> list[DepositSet]:
    with sessions.read() as session:
        data = open_dataset(session, dataset_of(session, ground.dataset_id))
        labels = model_labels(data.index.labels, data.index.classes, ground.classes)
        sets = []
        for row in ground.deposits:
            chosen = _chosen(data, row.selector)
            classes = None if row.classes is None else tuple(row.classes)
            sets.append(DepositSet(_images(data, ground, chosen), labels[chosen], classes))
        return sets


def retain_set(sessions: Sessions, ground: Ground) -> RetainSet | None:
    """The kept images that the order named, held in memory for the training and stored nowhere else."""
    selector = ground.deposits[0].retain_selector
    if selector is None:
        return None
    with sessions.read() as session:
        data = open_dataset(session, dataset_of(session, ground.dataset_id))
        return RetainSet(_images(data, ground, _chosen(data, selector)))


def model_labels(labels: Tensor, names: Sequence[str], classes: Sequence[str]) -> Tensor:
    """Labels of a data set as indices into the model's classes."""
    position = {name: index for index, name in enumerate(classes)}
    return torch.tensor([position[name] for name in names])[labels]


def _chosen(data: OpenDataset, selector: dict[str, Any]) -> Tensor:
    """Rows that were selected when the deposit was accepted: their images stay while it is open."""
    return select(data.index, stored_selection(selector), whole=True, removed=data.index.removed).indices


def _images(data: OpenDataset, ground: Ground, chosen: Tensor) -> Tensor:
    """Rows of the order's data set as the network reads them: uint8 [N, C, H, W]."""
    return fit(data.images(chosen.tolist()), *ground.plan.spec.shape)
