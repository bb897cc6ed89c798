"""Take knowledge out of a model: train target and deposit modules, measure, and seal all in one transaction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from app.db import models as rows
from app.db.repositories import artifacts, datasets, deposits, models
from app.db.session import Session, Sessions
from app.domain.lifecycle import DepositState, advance_deposit
from app.inference.compute import Compute
from app.lirf.config import DepositConfig
from app.lirf.data.images import fit
from app.lirf.data.selection import Selection, select
from app.lirf.deposit import DepositResult, DepositSet, deposit
from app.lirf.evaluation import report
from app.lirf.networks import Network
from app.lirf.rows import sealed_classes
from app.services.claim import Claim, ClaimLostError
from app.services.find import find_model, served_version
from app.services.plans import network_plan, stored_network
from app.services.register_model import add_version
from app.vault import datasets as dataset_store
from app.vault.networks import (
    NetworkPlan,
    StoredModule,
    StoredNetwork,
    load_network,
    store_module,
    store_network,
)


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


@dataclass(frozen=True)
class Sealed:
    """What a deposit ends with, stored but not yet named by any row."""

    target: StoredNetwork
    sealed_classes: tuple[int, ...]
    modules: list[StoredModule]
    metrics: dict[str, Any] | None
    curves: list[dict[str, float]]


def run_deposit(sessions: Sessions, job: rows.Job, claim: Claim, compute: Compute) -> None:
    """Do a job of kind ``deposit``."""
    with sessions.write() as session:
        for row in deposits.of_job(session, job.id):
            row.state = advance_deposit(DepositState(row.state), DepositState.TRAINING)
    claim.phase("loading")
    ground = _survey(sessions, job)
    compute.settle(ground.plan.spec)
    original = load_network(sessions, ground.plan, ground.stored)
    sets = _deposit_sets(sessions, ground)
    result = deposit(
        original,
        ground.plan.spec,
        ground.plan.split,
        sets,
        DepositConfig(**_as_config(ground.deposits[0].config)),
        absent=ground.absent,
        device=compute.device,
        on_step=claim.step,
    )
    claim.phase("evaluating")
    metrics = _measure(sessions, ground, original, result, sets)
    claim.phase("sealing")
    sealed = Sealed(
        target=store_network(sessions, result.target, ground.plan.split),
        sealed_classes=sealed_classes(result.target),
        modules=[store_module(sessions, module) for module in result.modules],
        metrics=metrics,
        curves=result.curves,
    )
    _commit(sessions, job, claim, ground, sealed)


def _survey(sessions: Sessions, job: rows.Job) -> Ground:
    with sessions.read() as session:
        model = find_model(session, job.model_id)
        version = served_version(session, model)
        queued = deposits.of_job(session, job.id)
        dataset = datasets.by_reference(session, queued[0].dataset_id)
        test_id = queued[0].evaluate_on_id
        test = None if test_id is None else datasets.by_reference(session, test_id)
        earlier = deposits.sealed_of_model(session, model.id)
    if dataset is None:
        raise LookupError(f"data set {queued[0].dataset_id} is gone")
    return Ground(
        plan=network_plan(model),
        base=version.number,
        stored=stored_network(version),
        deposits=queued,
        dataset=dataset,
        test=test,
        classes=model.classes,
        absent=tuple(sorted({index for row in earlier for index in row.classes or ()})),
    )


def _deposit_sets(sessions: Sessions, ground: Ground) -> list[DepositSet]:
    index = dataset_store.load_index(sessions, ground.dataset.index_digest)
    labels = _model_labels(index.labels, index.classes, ground.classes)
    sets = []
    for row in ground.deposits:
        selector = {name: _frozen(value) for name, value in row.selector.items()}
        chosen = select(index, Selection(**selector), whole=True).indices
        images = dataset_store.load_images(
            sessions, ground.dataset.pixels_digest, ground.dataset.image_shape, chosen.tolist()
        )
        classes = None if row.classes is None else tuple(row.classes)
        sets.append(DepositSet(fit(images, *ground.plan.spec.shape), labels[chosen], classes))
    return sets


def _measure(
    sessions: Sessions, ground: Ground, original: Network, result: DepositResult, sets: Sequence[DepositSet]
) -> dict[str, Any] | None:
    """Every figure on the test set that the order named; None if it named none.

    Sets that share their classes with kept data have no test images of their own: for them the deposit images
    join the test set, and Dep is measured on these.
    """
    if ground.test is None:
        return None
    index = dataset_store.load_index(sessions, ground.test.index_digest)
    images = dataset_store.load_images(
        sessions, ground.test.pixels_digest, ground.test.image_shape, range(len(index))
    )
    labels = _model_labels(index.labels, index.classes, ground.classes)
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
    return {**shown, "n": int(known.sum()), "dataset": ground.test.name}


def _presentable(figures: dict[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    """Class names for indices, and null for the accuracy of no images, which JSON cannot say otherwise."""
    shown: dict[str, Any] = {}
    for name, value in figures.items():
        if isinstance(value, dict):
            shown[name] = {classes[index]: accuracy for index, accuracy in value.items()}
        else:
            shown[name] = None if math.isnan(value) else value
    return shown


def _commit(sessions: Sessions, job: rows.Job, claim: Claim, ground: Ground, sealed: Sealed) -> None:
    with sessions.write() as session:
        claim.succeed(session)
        model = find_model(session, job.model_id)
        number = add_version(
            session,
            model,
            sealed.target,
            base=ground.base,
            sealed=sealed.sealed_classes,
            metrics=sealed.metrics,
        )
        if not models.move_current(session, model.id, expected=ground.base, to=number):
            raise ClaimLostError(f"model {model.name} moved away from version {ground.base}")
        for row, module in zip(deposits.of_job(session, job.id), sealed.modules, strict=True):
            _seal(session, row, module, ground.base, number, sealed)
        if not job.payload["keep_original"]:
            _destroy(session, model.id, ground.base)


def _seal(
    session: Session, row: rows.Deposit, module: StoredModule, base: int, number: int, sealed: Sealed
) -> None:
    row.state = advance_deposit(DepositState(row.state), DepositState.SEALED)
    row.base_version, row.target_version = base, number
    row.metrics, row.curves = sealed.metrics, list(sealed.curves)
    row.sealed_at = rows.utc_now()
    session.add(
        rows.DepositModuleVersion(
            deposit_id=row.id,
            version=1,
            digest=module.digest,
            size=module.size,
            description=module.description,
        )
    )


def _destroy(session: Session, model_id: str, number: int) -> None:
    """Delete the base version's shallow part: it still knows what the target has forgotten."""
    version = models.version(session, model_id, number)
    if version is None or version.shallow_digest is None:
        return
    digests = {version.shallow_digest, version.head_digest}
    version.shallow_digest = None
    session.flush()
    artifacts.delete_unreferenced(session, digests)


def _model_labels(labels: Tensor, names: Sequence[str], classes: Sequence[str]) -> Tensor:
    """Labels of a data set as indices into the model's classes."""
    position = {name: index for index, name in enumerate(classes)}
    return torch.tensor([position[name] for name in names])[labels]


def _as_config(stored: dict[str, Any]) -> dict[str, Any]:
    """JSON turned the configuration's tuples into lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return {name: tuple(values) for name, values in value.items()}
    return value
