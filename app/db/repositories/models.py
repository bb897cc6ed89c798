"""Models and their versions."""

from collections.abc import Sequence

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.orm import Session, selectinload

from app.db.models import Deposit, Job, Model, ModelVersion
from app.domain.lifecycle import JobState


def by_reference(session: Session, reference: str) -> Model | None:
    """The model of this id or name."""
    return session.scalar(select(Model).where(or_(Model.id == reference, Model.name == reference)))


def page(session: Session, limit: int, after: str | None) -> Sequence[Model]:
    statement = select(Model).options(selectinload(Model.versions)).order_by(Model.id).limit(limit)
    return session.scalars(statement.where(Model.id > after) if after else statement).all()


def version(session: Session, model_id: str, number: int) -> ModelVersion | None:
    return session.scalar(
        select(ModelVersion).where(ModelVersion.model_id == model_id, ModelVersion.number == number)
    )


def lineage(session: Session, model_id: str, number: int) -> frozenset[int]:
    """The numbers of a version and of all that it came from: what they have forgotten, it has forgotten."""
    rows = session.execute(
        select(ModelVersion.number, ModelVersion.base).where(ModelVersion.model_id == model_id)
    )
    base_of = {version: base for version, base in rows}  # noqa: C416  a Row is a tuple, but not to the type checker
    line: list[int] = []
    following: int | None = number
    while following is not None:
        line.append(following)
        following = base_of[following]
    return frozenset(line)


def with_weights(session: Session, model_id: str) -> Sequence[ModelVersion]:
    """Versions of the model that were not destroyed."""
    statement = select(ModelVersion).where(
        ModelVersion.model_id == model_id, ModelVersion.shallow_digest.is_not(None)
    )
    return session.scalars(statement.order_by(ModelVersion.number)).all()


def kept_in_clear(session: Session) -> Sequence[ModelVersion]:
    """Versions that a deposit was made from and that are neither destroyed nor sealed."""
    made_from = exists().where(
        Deposit.model_id == ModelVersion.model_id, Deposit.base_version == ModelVersion.number
    )
    statement = select(ModelVersion).where(
        made_from, ModelVersion.shallow_digest.is_not(None), ModelVersion.key_id.is_(None)
    )
    return session.scalars(statement).all()


def current_version(session: Session, model: Model) -> ModelVersion | None:
    return None if model.current is None else version(session, model.id, model.current)


def next_number(session: Session, model_id: str) -> int:
    newest = session.scalar(select(func.max(ModelVersion.number)).where(ModelVersion.model_id == model_id))
    return (newest or 0) + 1


def move_current(session: Session, model_id: str, *, expected: int | None, to: int) -> bool:
    """Point ``current`` at version ``to`` if it still points at ``expected``; whether it did."""
    unmoved = Model.current.is_(None) if expected is None else Model.current == expected
    moved = session.execute(
        update(Model).where(Model.id == model_id, unmoved).values(current=to).returning(Model.id)
    ).first()
    return moved is not None


def busy(session: Session, model_id: str) -> bool:
    """Whether a job of this model is queued or running."""
    open_states = (JobState.QUEUED, JobState.RUNNING)
    found = session.scalar(
        select(Job.id).where(Job.model_id == model_id, Job.state.in_(open_states)).limit(1)
    )
    return found is not None


def deposits_of(session: Session, model_id: str) -> Sequence[Deposit]:
    return (
        session.scalars(select(Deposit).where(Deposit.model_id == model_id).order_by(Deposit.id))
        .unique()
        .all()
    )
