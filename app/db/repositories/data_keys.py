"""Data keys and the vault's state; every session here is one of the key store's."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from app.db.keystore.models import DataKey, VaultState
from app.db.models import utc_now


def state(session: Session) -> VaultState:
    """The vault's state as it is."""
    return session.get_one(VaultState, 1)


def change_state(session: Session) -> VaultState:
    """The vault's state, to be changed in this transaction; other changes wait for its end."""
    return session.scalars(select(VaultState).with_for_update()).one()


def hold_newest(session: Session) -> str | None:
    """The id of the key that wraps now, which no other transaction changes before this one ends."""
    return session.scalar(select(VaultState.kek_id).with_for_update(read=True))


def get(session: Session, key_id: str) -> DataKey | None:
    return session.get(DataKey, key_id)


def live_before(session: Session, before: datetime) -> Sequence[str]:
    """Ids of the keys that were made before and are not destroyed."""
    statement = select(DataKey.id).where(DataKey.wrapped.is_not(None), DataKey.created_at < before)
    return session.scalars(statement).all()


def destroy(session: Session, key_ids: Collection[str]) -> None:
    """Delete the wrapped keys for ever; the rows stay, so that a destroyed key is told from a lost one."""
    session.execute(
        update(DataKey)
        .where(DataKey.id.in_(key_ids), DataKey.destroyed_at.is_(None))
        .values(wrapped=None, destroyed_at=utc_now())
    )


def under_other_keys(session: Session, kek_id: str, kek_check: str, limit: int) -> Sequence[DataKey]:
    """Data keys that another key-encryption key wraps: what a rotation has still to do."""
    statement = select(DataKey).where(_stale(kek_id, kek_check)).order_by(DataKey.id).limit(limit)
    return session.scalars(statement).all()


def count_under_other_keys(session: Session, kek_id: str, kek_check: str) -> int:
    return session.scalar(select(func.count()).where(_stale(kek_id, kek_check))) or 0


def count_by_kek(session: Session) -> dict[str, int]:
    """How many data keys each key-encryption key wraps."""
    rows = session.execute(
        select(DataKey.kek_id, func.count()).where(DataKey.wrapped.is_not(None)).group_by(DataKey.kek_id)
    )
    return {kek_id: count for kek_id, count in rows}  # noqa: C416  a Row is a tuple, but not to the type checker


def _stale(kek_id: str, kek_check: str) -> ColumnElement[bool]:
    return and_(or_(DataKey.kek_id != kek_id, DataKey.kek_check != kek_check), DataKey.wrapped.is_not(None))
