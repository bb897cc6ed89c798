"""Principals and their API keys."""

from collections.abc import Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.db.clock import now_epoch
from app.db.models import ApiKey, Principal


def by_name(session: Session, name: str) -> Principal | None:
    return session.scalar(select(Principal).where(Principal.name == name))


def get(session: Session, principal_id: str) -> Principal | None:
    return session.get(Principal, principal_id)


def live_key(session: Session, key_id: str) -> ApiKey | None:
    """The key, unless it was revoked or has expired."""
    return session.scalar(
        select(ApiKey).where(
            ApiKey.id == key_id,
            ApiKey.revoked_at.is_(None),
            or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now_epoch()),
        )
    )


def key(session: Session, key_id: str) -> ApiKey | None:
    return session.get(ApiKey, key_id)


def keys(session: Session, limit: int, after: str | None) -> Sequence[ApiKey]:
    statement = select(ApiKey).order_by(ApiKey.id).limit(limit)
    return session.scalars(statement.where(ApiKey.id > after) if after else statement).unique().all()


def any_exists(session: Session) -> bool:
    return bool(session.scalar(select(func.count()).select_from(Principal)))
