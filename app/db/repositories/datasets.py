"""Registered data sets."""

from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.db.models import Dataset


def by_reference(session: Session, reference: str) -> Dataset | None:
    """The data set of this id or name."""
    return session.scalar(select(Dataset).where(or_(Dataset.id == reference, Dataset.name == reference)))


def page(session: Session, owner_id: str | None, limit: int, after: str | None) -> Sequence[Dataset]:
    """Data sets in order of id; of one owner, or of all if ``owner_id`` is None."""
    statement = select(Dataset).order_by(Dataset.id).limit(limit)
    if owner_id is not None:
        statement = statement.where(Dataset.owner_id == owner_id)
    return session.scalars(statement.where(Dataset.id > after) if after else statement).all()
