"""What a certificate states: an in-toto Statement (v1) about a deposit. It says what was done and measured, no more."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.ledger import Entry

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:lirf:deposit:v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""What DSSE envelopes of in-toto statements are signed as."""

SCOPE = (
    "States which set was deposited, by which method, what was measured on the target net, and where the decisions "
    "stand in the ledger. It does not state that nothing of the set can be inferred from the target net."
)


@dataclass(frozen=True)
class Facts:
    """What a statement is made of.

    Attributes:
        deposit: its id.
        model: the model's name.
        set_digest: see `app.lirf.data.selection.set_digest`.
        set_size: images.
        salt: of the commitment, hexadecimal.
        objective: ``lirf`` or ``lirf+``.
        config: every hyper-parameter.
        metrics: as measured when the deposit was sealed; null without a test set.
        audits: what audits of the target net found, in order.
        entries: of the ledger, about this deposit, in order.
    """

    deposit: str
    model: str
    set_digest: str
    set_size: int
    salt: str
    objective: str
    config: Mapping[str, Any]
    metrics: Mapping[str, Any] | None
    audits: Sequence[Mapping[str, Any]]
    entries: Sequence[Entry]


def commitment(set_digest: str, salt: str) -> str:
    """SHA-256 over salt and set digest: it binds to the set, and without the salt tells nothing about it."""
    return hashlib.sha256(bytes.fromhex(salt) + bytes.fromhex(set_digest)).hexdigest()


def statement(facts: Facts) -> dict[str, Any]:
    """The statement; its subjects are the parts of the base and the target version, by SHA-256."""
    sealed = next(entry for entry in facts.entries if entry.decision == "deposit.sealed")
    versions = {name: sealed.facts.get(name) for name in ("base", "target")}
    digests = sealed.facts.get("digests", {})
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": f"{facts.model}/{versions[name]}/{part}", "digest": {"sha256": digest}}
            for name, parts in digests.items()
            for part, digest in parts.items()
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "scope": SCOPE,
            "deposit": facts.deposit,
            "model": facts.model,
            "baseVersion": versions["base"],
            "targetVersion": versions["target"],
            "set": {
                "commitment": {"sha256": commitment(facts.set_digest, facts.salt)},
                "images": facts.set_size,
            },
            "objective": facts.objective,
            "config": dict(facts.config),
            "metrics": None if facts.metrics is None else dict(facts.metrics),
            "audits": [dict(audit) for audit in facts.audits],
            "ledger": [
                {"seq": entry.seq, "at": entry.at, "decision": entry.decision, "hash": entry.hash}
                for entry in facts.entries
            ],
        },
    }
