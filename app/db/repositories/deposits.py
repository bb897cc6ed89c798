"""Deposits and their module versions."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, selectinload

from app.db.clock import now_epoch
from app.db.models import Deposit, DepositModuleVersion
from app.domain.lifecycle import DEPOSIT_FORGOTTEN, DEPOSIT_HOLDS_SET, DepositState


def get(session: Session, deposit_id: str) -> Deposit | None:
    return session.scalar(
        select(Deposit).where(Deposit.id == deposit_id).options(selectinload(Deposit.modules))
    )


def many(session: Session, deposit_ids: Collection[str]) -> Sequence[Deposit]:
    statement = select(Deposit).where(Deposit.id.in_(deposit_ids)).options(selectinload(Deposit.modules))
    return session.scalars(statement.order_by(Deposit.id)).unique().all()


def page(
    session: Session, owner_id: str | None, model_id: str | None, limit: int, after: str | None
) -> Sequence[Deposit]:
    """Deposits in order of id; of one owner and of one model if given."""
    statement = select(Deposit).options(selectinload(Deposit.modules)).order_by(Deposit.id).limit(limit)
    if owner_id is not None:
        statement = statement.where(Deposit.owner_id == owner_id)
    if model_id is not None:
        statement = statement.where(Deposit.model_id == model_id)
    return session.scalars(statement.where(Deposit.id > after) if after else statement).unique().all()


def of_job(session: Session, job_id: str) -> Sequence[Deposit]:
    return (
        session.scalars(select(Deposit).where(Deposit.job_id == job_id).order_by(Deposit.id)).unique().all()
    )


def holding(session: Session, model_id: str) -> Sequence[Deposit]:
    """Deposits of the model whose set is taken, queued or gone for ever: it cannot be deposited again."""
    return (
        session.scalars(
            select(Deposit).where(Deposit.model_id == model_id, Deposit.state.in_(tuple(DEPOSIT_HOLDS_SET)))
        )
        .unique()
        .all()
    )


def forgotten_by(session: Session, model_id: str, lineage: Collection[int]) -> Sequence[Deposit]:
    """Deposits whose knowledge a version of this lineage has lost, whether it is sealed or erased."""
    statement = select(Deposit).where(
        Deposit.model_id == model_id,
        Deposit.state.in_(tuple(DEPOSIT_FORGOTTEN)),
        Deposit.target_version.in_(lineage),
    )
    return session.scalars(statement.order_by(Deposit.id)).unique().all()


def due_for_erasure(session: Session) -> Sequence[str]:
    """Ids of disabled deposits whose time has come, by the database's clock."""
    statement = select(Deposit.id).where(
        Deposit.state == DepositState.DISABLED, Deposit.erase_at <= now_epoch()
    )
    return session.scalars(statement.order_by(Deposit.id)).all()


def open_on(session: Session, dataset_id: str) -> Sequence[Deposit]:
    """Deposits of a data set that are queued or in training, which still need its images."""
    statement = select(Deposit).where(
        Deposit.dataset_id == dataset_id, Deposit.state.in_((DepositState.QUEUED, DepositState.TRAINING))
    )
    return session.scalars(statement.order_by(Deposit.id)).unique().all()


def with_images_in(session: Session, dataset_id: str) -> Sequence[Deposit]:
    """Deposits that have forgotten their set while its images still lie in the data set."""
    statement = select(Deposit).where(Deposit.dataset_id == dataset_id, _IMAGES_LEFT)
    return session.scalars(statement.order_by(Deposit.id)).unique().all()


def datasets_with_images_left(session: Session, sealed_before: datetime) -> Sequence[str]:
    """Ids of the data sets of such deposits, of those sealed before then."""
    statement = select(Deposit.dataset_id).where(_IMAGES_LEFT, Deposit.sealed_at < sealed_before)
    return session.scalars(statement.distinct().order_by(Deposit.dataset_id)).all()


def modules_in_clear(session: Session) -> Sequence[DepositModuleVersion]:
    """Modules that are neither erased nor sealed."""
    statement = select(DepositModuleVersion).where(
        DepositModuleVersion.digest.is_not(None), DepositModuleVersion.key_id.is_(None)
    )
    return session.scalars(statement.options(selectinload(DepositModuleVersion.deposit))).all()


def count_by_state(session: Session) -> dict[str, int]:
    rows = session.execute(select(Deposit.state, func.count()).group_by(Deposit.state))
    return {state: count for state, count in rows}  # noqa: C416  a Row is a tuple, but not to the type checker


_IMAGES_LEFT = and_(Deposit.state.in_(tuple(DEPOSIT_FORGOTTEN)), Deposit.images_removed_at.is_(None))
