"""First answers to POSTs that carried an ``Idempotency-Key``."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.orm import Session

from app.db.models import IdempotencyRecord


def find(session: Session, principal_id: str, route: str, key: str) -> IdempotencyRecord | None:
    return session.get(IdempotencyRecord, (principal_id, route, key))


def remember(
    session: Session, principal_id: str, route: str, key: str, fingerprint: str, answer: dict[str, Any]
) -> None:
    session.add(
        IdempotencyRecord(
            principal_id=principal_id, route=route, key=key, fingerprint=fingerprint, answer=answer
        )
    )


def forget_older_than(session: Session, before: datetime) -> None:
    session.execute(delete(IdempotencyRecord).where(IdempotencyRecord.created_at < before))
