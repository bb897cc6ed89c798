"""Take knowledge out of a model: train target and deposit modules, measure, and seal all in one transaction."""

from dataclasses import dataclass
from typing import Any

from app.db import models as rows
from app.db.repositories import artifacts, deposits, models
from app.db.session import Session
from app.domain.ledger import Decision
from app.domain.lifecycle import DepositState, advance_deposit
from app.inference.compute import Compute
from app.lirf.config import DepositConfig
from app.lirf.deposit import deposit
from app.lirf.retain import RetainSet
from app.lirf.rows import sealed_classes
from app.services.add_version import add_version
from app.services.claim import Claim, ClaimLostError
from app.services.deposit_ground import Ground, deposit_sets, retain_set, survey
from app.services.find import find_model
from app.services.keep_images import seal_images
from app.services.measure_deposit import measure_deposit
from app.services.plans import module_label, original_label
from app.services.record_decision import record_decision
from app.services.remove_images import Removal, apply_removal, plan_removal
from app.vault.networks import (
    StoredModule,
    StoredNetwork,
    load_network,
    seal_network,
    store_module,
    store_network,
)
from app.vault.vault import Seal, Vault

FIRST = 1
"""The version of a module that a deposit ends with."""


@dataclass(frozen=True)
class Sealed:
    """What a deposit ends with, stored but not yet named by any row.

    Where the original is to be kept, ``original`` is there, and per deposit its ``kept_images``: artifact and data key.
    ``removal`` takes the images out of the data set.
    """

    target: StoredNetwork
    sealed_classes: tuple[int, ...]
    modules: list[StoredModule]
    metrics: dict[str, Any]
    curves: list[dict[str, float]]
    original: StoredNetwork | None
    kept_images: dict[str, tuple[str, str]]
    removal: Removal | None


def run_deposit(vault: Vault, job: rows.Job, claim: Claim, compute: Compute) -> None:
    """Do a job of kind ``deposit``."""
    vault.lock.require_open()  # a training whose end cannot be sealed would be lost
    sessions = vault.sessions
    with sessions.write() as session:
        for row in deposits.of_job(session, job.id):
            row.state = advance_deposit(DepositState(row.state), DepositState.TRAINING)
    claim.phase("loading")
    ground = survey(sessions, job)
    compute.settle(ground.plan.spec)
    original = load_network(vault, ground.plan, ground.stored)
    sets = deposit_sets(sessions, ground)
    retain = retain_set(sessions, ground)
    result = deposit(
        original,
        ground.plan.spec,
        ground.plan.split,
        sets,
        DepositConfig(**_as_config(ground.deposits[0].config)),
        retain=retain,
        absent=ground.absent,
        device=compute.device,
        on_step=claim.step,
    )
    claim.phase("evaluating")
    figures = measure_deposit(sessions, ground, original, result, sets)
    claim.phase("sealing")
    keep = job.payload["keep_original"]
    modules = [
        store_module(vault, module, Seal(vault.new_key(), module_label(row, FIRST)))
        for row, module in zip(ground.deposits, result.modules, strict=True)
    ]
    claim.phase("removing images")
    removal = plan_removal(sessions, ground.dataset_id, sealing=[row.id for row in ground.deposits])
    sealed = Sealed(
        target=store_network(sessions, result.target, ground.plan.split),
        sealed_classes=sealed_classes(result.target),
        modules=modules,
        metrics={**_facts(ground, modules, retain), **(figures or {})},
        curves=result.curves,
        original=_kept_original(vault, ground) if keep else None,
        kept_images={row.id: seal_images(vault, row) for row in ground.deposits if keep},
        removal=removal,
    )
    _commit(vault, job, claim, ground, sealed)


def _kept_original(vault: Vault, ground: Ground) -> StoredNetwork:
    """The base version sealed; one that was kept and sealed before stays as it is."""
    if ground.stored.seal is not None:
        return ground.stored
    with vault.sessions.read() as session:
        model = find_model(session, ground.deposits[0].model_id)
    return seal_network(vault, ground.stored, Seal(vault.new_key(), original_label(model, ground.base)))


def _digests(stored: StoredNetwork) -> dict[str, str]:
    """SHA-256 of each part; the sealed parts of a kept original have names by chance, which tell nothing."""
    if stored.seal is not None:
        return {"deep": stored.deep}
    return {"shallow": stored.shallow, "deep": stored.deep, "head": stored.head}


def _facts(ground: Ground, modules: list[StoredModule], retain: RetainSet | None) -> dict[str, Any]:
    """What the metrics say with or without a test set."""
    return {
        "modules": [
            {"deposit": row.id, "bytes": module.size}
            for row, module in zip(ground.deposits, modules, strict=True)
        ],
        "retain": None if retain is None else {"samples": len(retain.images)},
    }


def _commit(vault: Vault, job: rows.Job, claim: Claim, ground: Ground, sealed: Sealed) -> None:
    with vault.sessions.write() as session:
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
            facts = {
                "model": model.id,
                "job": job.id,
                "fence": claim.fence,
                "base": ground.base,
                "target": number,
                "digests": {"base": _digests(ground.stored), "target": _digests(sealed.target)},
            }
            record_decision(session, None, Decision.DEPOSIT_SEALED, row.id, owner=row.owner_id, facts=facts)
        _put_away(session, model.id, ground.base, sealed.original)
        if sealed.removal is not None:
            apply_removal(session, sealed.removal)  # if it no longer fits, `remove_images_left` plans another
    if ground.stored.seal is not None and sealed.original is None:
        vault.destroy(ground.stored.seal.key_id)
    vault.sessions.scrub()


def _seal(
    session: Session, row: rows.Deposit, module: StoredModule, base: int, number: int, sealed: Sealed
) -> None:
    row.state = advance_deposit(DepositState(row.state), DepositState.SEALED)
    row.base_version, row.target_version = base, number
    row.metrics, row.curves = sealed.metrics, list(sealed.curves)
    row.sealed_at = rows.utc_now()
    row.images_digest, row.images_key_id = sealed.kept_images.get(row.id, (None, None))
    session.add(
        rows.DepositModuleVersion(
            deposit_id=row.id,
            version=FIRST,
            digest=module.digest,
            key_id=module.seal.key_id,
            size=module.size,
            description=module.description,
        )
    )


def _put_away(session: Session, model_id: str, number: int, kept: StoredNetwork | None) -> None:
    """Delete the base version's plain shallow part and head: they still know what the target has forgotten.

    Sealed copies take their place if the original is to be kept.
    """
    version = models.version(session, model_id, number)
    if version is None:
        return
    digests = {digest for digest in (version.shallow_digest, version.head_digest) if digest is not None}
    version.shallow_digest, version.head_digest = (kept.shallow, kept.head) if kept else (None, None)
    version.key_id = kept.seal.key_id if kept and kept.seal else None
    session.flush()
    artifacts.delete_unreferenced(session, digests)


def _as_config(stored: dict[str, Any]) -> dict[str, Any]:
    """JSON turned the configuration's tuples into lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
