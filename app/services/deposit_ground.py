"""What a deposit starts from: the served net, the images to forget and to retain, the test set."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from app.db import models as rows
from app.db.repositories import datasets, deposits, models
from app.db.session import Sessions
from app.lirf.data.images import fit
from app.lirf.data.selection import select
from app.lirf.deposit import DepositSet
from app.lirf.retain import RetainSet
from app.services.find import find_model, served_version
from app.services.plans import network_plan, stored_network, stored_selection
from app.vault import datasets as dataset_store
from app.vault.networks import NetworkPlan, StoredNetwork


@dataclass(frozen=True)
class Ground:
    """What a deposit starts from, read in one snapshot."""

    plan: NetworkPlan
    base: int
    stored: StoredNetwork
    deposits: Sequence[rows.Deposit]
    dataset: rows.Dataset
    test: rows.Dataset | None
    classes: list[str]
    absent: tuple[int, ...]


def survey(sessions: Sessions, job: rows.Job) -> Ground:
    with sessions.read() as session:
        model = find_model(session, job.model_id)
        version = served_version(session, model)
        queued = deposits.of_job(session, job.id)
        dataset = datasets.by_reference(session, queued[0].dataset_id)
        test_id = queued[0].evaluate_on_id
        test = None if test_id is None else datasets.by_reference(session, test_id)
        earlier = deposits.forgotten_by(session, model.id, models.lineage(session, model.id, version.number))
    if dataset is None:
        raise LookupError(f"data set {queued[0].dataset_id} is gone")
    return Ground(
        plan=network_plan(model),
        base=version.number,
        stored=stored_network(model, version),
        deposits=queued,
        dataset=dataset,
        test=test,
        classes=model.classes,
        absent=tuple(sorted({index for row in earlier for index in row.classes or ()})),
    )


def deposit_sets(sessions: Sessions, ground: Ground) -> list[DepositSet]:
    index = dataset_store.load_index(sessions, ground.dataset.index_digest)
    labels = model_labels(index.labels, index.classes, ground.classes)
    sets = []
    for row in ground.deposits:
        chosen = select(index, stored_selection(row.selector), whole=True, removed=index.removed).indices
        classes = None if row.classes is None else tuple(row.classes)
        sets.append(DepositSet(_images(sessions, ground, chosen), labels[chosen], classes))
    return sets


def retain_set(sessions: Sessions, ground: Ground) -> RetainSet | None:
    """The kept images that the order named, held in memory for the training and stored nowhere else."""
    selector = ground.deposits[0].retain_selector
    if selector is None:
        return None
    index = dataset_store.load_index(sessions, ground.dataset.index_digest)
    chosen = select(index, stored_selection(selector), whole=True, removed=index.removed).indices
    return RetainSet(_images(sessions, ground, chosen))


def model_labels(labels: Tensor, names: Sequence[str], classes: Sequence[str]) -> Tensor:
    """Labels of a data set as indices into the model's classes."""
    position = {name: index for index, name in enumerate(classes)}
    return torch.tensor([position[name] for name in names])[labels]


def _images(sessions: Sessions, ground: Ground, chosen: Tensor) -> Tensor:
    """Rows of the order's data set as the network reads them: uint8 [N, C, H, W]."""
    images = dataset_store.load_images(
        sessions, ground.dataset.pixels_digest, ground.dataset.image_shape, chosen.tolist()
    )
    return fit(images, *ground.plan.spec.shape)
