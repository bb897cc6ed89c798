"""Audit a deposit and keep what was found with it: certificates state it from then on."""

import hashlib
import json
from typing import Any

from app.db import models as rows
from app.db.repositories import deposits
from app.domain.ledger import Decision, instant
from app.inference.compute import Compute
from app.lirf.audits.known import Questions, audit
from app.lirf.data.images import fit
from app.lirf.evaluation import class_mask
from app.services.claim import Claim
from app.services.deposit_ground import model_labels
from app.services.find import dataset_of, served_version
from app.services.plans import network_plan, open_dataset, stored_network
from app.services.record_decision import record_decision
from app.services.request_audit import other_absent, require_forgotten
from app.vault.networks import load_network
from app.vault.vault import Vault


def run_audit(vault: Vault, job: rows.Job, claim: Claim, compute: Compute) -> None:
    """Do a job of kind ``audit``; its result and its end are one transaction."""
    sessions = vault.sessions
    claim.phase("loading")
    with sessions.read() as session:
        deposit = deposits.get(session, job.payload["deposit"])
        if deposit is None:
            raise LookupError(f"deposit {job.payload['deposit']} is gone")
        require_forgotten(session, deposit)
        version = served_version(session, deposit.model)
        absent = other_absent(session, deposit)
        dataset = dataset_of(session, job.payload["dataset"])
        data = open_dataset(session, dataset)
        labels = model_labels(data.index.labels, data.index.classes, deposit.model.classes)
        asked = (~data.index.removed & ~class_mask(labels, absent)).nonzero().flatten()
        images = data.images(asked.tolist())
    plan = network_plan(deposit.model)
    compute.settle(plan.spec)
    net = load_network(vault, plan, stored_network(deposit.model, version)).to(compute.device)
    claim.phase("auditing")
    questions = Questions(
        fit(images, *plan.spec.shape), labels[asked], tuple(deposit.classes or ()), job.payload["seed"]
    )
    found = {
        "version": version.number,
        "dataset": dataset.name,
        "seed": questions.seed,
        "at": instant(rows.utc_now()),
        **audit(net, plan.spec, questions),
    }
    _commit(vault, job, claim, deposit.id, found)


def _commit(vault: Vault, job: rows.Job, claim: Claim, deposit_id: str, found: dict[str, Any]) -> None:
    with vault.sessions.write() as session:
        claim.succeed(session)
        row = deposits.get(session, deposit_id)
        if row is None:
            raise LookupError(f"deposit {deposit_id} is gone")
        row.audits = [*row.audits, found]
        digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
        facts = {"job": job.id, "asked_by": job.owner_id, "version": found["version"], "digest": digest}
        record_decision(session, None, Decision.DEPOSIT_AUDITED, row.id, owner=row.owner_id, facts=facts)
