"""The ledger's chain: every entry carries the hash of the one before, so none is changed, taken out or put in unseen.

A hash covers all of an entry in one canonical form: JSON without spaces, keys in order, as RFC 8785 writes it for the
strings and whole numbers that entries hold.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

GENESIS = "0" * 64
"""What the first entry names as the hash before it."""

HEAD_TYPE = "application/vnd.lirf.ledger-head+json"
"""What a signed head is signed as."""


class Decision(StrEnum):
    KEY_MADE = "key.made"
    KEY_REVOKED = "key.revoked"
    DATASET_REGISTERED = "dataset.registered"
    MODEL_REGISTERED = "model.registered"
    MODEL_ROLLED_BACK = "model.rolled-back"
    DEPOSIT_ORDERED = "deposit.ordered"
    DEPOSIT_SEALED = "deposit.sealed"
    DEPOSIT_AUDITED = "deposit.audited"
    IMAGES_REMOVED = "deposit.images-removed"
    DEPOSIT_FAILED = "deposit.failed"
    DEPOSIT_CANCELLED = "deposit.cancelled"
    DEPOSIT_DISABLED = "deposit.disabled"
    DEPOSIT_ENABLED = "deposit.enabled"
    DEPOSIT_ERASED = "deposit.erased"
    GRANT_MADE = "grant.made"
    GRANT_REVOKED = "grant.revoked"
    WITHDRAWAL_MADE = "withdrawal.made"
    WITHDRAWAL_ENDED = "withdrawal.ended"
    VAULT_SEALED = "vault.sealed"
    VAULT_UNSEALED = "vault.unsealed"
    VAULT_ROTATED = "vault.rotated"


@dataclass(frozen=True)
class Entry:
    """One decision.

    Attributes:
        seq: 1, 2, 3 and so on.
        at: when, UTC, to the microsecond.
        actor: the name of the principal who decided, or ``service``.
        key_id: the API key that was used.
        decision: what was decided.
        subject: the id of what it was decided about.
        owner: the id of the principal whom the subject belongs to.
        reason: in the actor's words, where there are any.
        request_id: of the HTTP request.
        facts: what else belongs to it: strings, whole numbers, lists and objects of these.
        previous: hash of the entry before.
        hash: of all the above.
    """

    seq: int
    at: str
    actor: str
    key_id: str | None
    decision: str
    subject: str
    owner: str | None
    reason: str | None
    request_id: str | None
    facts: dict[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True)
class Break:
    """Where a chain is broken, and how."""

    seq: int
    problem: str


def instant(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def hash_of(fields: Mapping[str, Any]) -> str:
    """SHA-256 of an entry's fields but its hash, as 64 hexadecimal digits."""
    covered = {name: value for name, value in fields.items() if name != "hash"}
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def first_break(entries: Iterable[Entry], seq: int = 0, previous: str = GENESIS) -> Break | None:
    """The first entry that does not follow from the one before it; None if all do.

    Args:
        entries: in order.
        seq: number of the entry before the first, 0 for the beginning.
        previous: that entry's hash.
    """
    for entry in entries:
        seq += 1
        if entry.seq != seq:
            return Break(seq, f"entry {seq} is missing: {entry.seq} comes in its place")
        if entry.previous != previous:
            return Break(seq, f"entry {seq} does not name the hash of the entry before it")
        if entry.hash != hash_of(asdict(entry)):
            return Break(seq, f"entry {seq} was changed: its hash is not that of its content")
        previous = entry.hash
    return None
