"""The ledger: append in turn, read in order."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.db.models import LedgerEntry, LedgerHead, utc_now
from app.domain.ledger import Decision, Entry, hash_of, instant


def append(
    session: Session,
    *,
    actor: str,
    key_id: str | None,
    decision: Decision,
    subject: str,
    owner: str | None,
    reason: str | None,
    request_id: str | None,
    facts: dict[str, Any],
) -> Entry:
    """Add an entry in this transaction; other appends wait for its end."""
    head = session.scalars(select(LedgerHead).with_for_update()).one()
    content: dict[str, Any] = {
        "seq": head.seq + 1,
        "at": instant(utc_now()),
        "actor": actor,
        "key_id": key_id,
        "decision": str(decision),
        "subject": subject,
        "owner": owner,
        "reason": reason,
        "request_id": request_id,
        "facts": facts,
        "previous": head.hash,
    }
    entry = Entry(**content, hash=hash_of(content))
    session.add(LedgerEntry(**content, hash=entry.hash))
    head.seq, head.hash = entry.seq, entry.hash
    session.flush()
    return entry


def page(
    session: Session, *, after: int, limit: int, owner: str | None = None, actor: str | None = None
) -> list[Entry]:
    """Entries after a number, in order; only those that concern an owner or were made by an actor, if given."""
    statement = select(LedgerEntry).where(LedgerEntry.seq > after).order_by(LedgerEntry.seq).limit(limit)
    if owner is not None:
        statement = statement.where(or_(LedgerEntry.owner == owner, LedgerEntry.actor == actor))
    return [_entry(row) for row in session.scalars(statement)]


def head(session: Session) -> tuple[int, str]:
    """Number and hash of the newest entry; 0 and the genesis hash while there is none."""
    row = session.scalars(select(LedgerHead)).one()
    return row.seq, row.hash


def of_subject(session: Session, subject: str) -> Sequence[Entry]:
    rows = session.scalars(
        select(LedgerEntry).where(LedgerEntry.subject == subject).order_by(LedgerEntry.seq)
    )
    return [_entry(row) for row in rows]


def _entry(row: LedgerEntry) -> Entry:
    return Entry(**{field.name: getattr(row, field.name) for field in fields(Entry)})
