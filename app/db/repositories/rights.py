"""Grants and withdrawals, and the question that a prediction asks: which deposits may this caller see?"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, aliased, selectinload

from app.db.clock import now_epoch
from app.db.models import Deposit, Grant, Model, Principal, Withdrawal, WithdrawalDeposit
from app.domain.lifecycle import DepositState
from app.domain.rights import Role


def grant(session: Session, grant_id: str) -> Grant | None:
    return session.get(Grant, grant_id)


def grants(session: Session, principal_id: str | None, limit: int, after: str | None) -> Sequence[Grant]:
    """Grants in order of id; those that a principal gave or holds, or all."""
    statement = select(Grant).order_by(Grant.id).limit(limit)
    if principal_id is not None:
        statement = statement.where(or_(Grant.principal_id == principal_id, Grant.granted_by == principal_id))
    return session.scalars(statement.where(Grant.id > after) if after else statement).unique().all()


def has_grant(session: Session, principal_id: str, deposit: Deposit) -> bool:
    """Whether the principal holds a live grant on the deposit or on its model."""
    found = session.scalar(
        select(Grant.id)
        .where(
            Grant.principal_id == principal_id,
            or_(Grant.deposit_id == deposit.id, Grant.model_id == deposit.model_id),
            _grant_lives(),
        )
        .limit(1)
    )
    return found is not None


def withdrawal(session: Session, withdrawal_id: str) -> Withdrawal | None:
    return session.scalar(
        select(Withdrawal).where(Withdrawal.id == withdrawal_id).options(selectinload(Withdrawal.deposits))
    )


def withdrawals(
    session: Session, principal_id: str | None, limit: int, after: str | None
) -> Sequence[Withdrawal]:
    """Withdrawals in order of id; those for or by a principal or for everyone, or all."""
    statement = (
        select(Withdrawal).options(selectinload(Withdrawal.deposits)).order_by(Withdrawal.id).limit(limit)
    )
    if principal_id is not None:
        statement = statement.where(
            or_(
                Withdrawal.principal_id == principal_id,
                Withdrawal.created_by == principal_id,
                Withdrawal.principal_id.is_(None),
            )
        )
    return session.scalars(statement.where(Withdrawal.id > after) if after else statement).unique().all()


def withdrawn_deposits(session: Session, model_id: str, principal_id: str) -> Sequence[str]:
    """Ids of the model's sealed deposits whose knowledge this principal is answered with now, sorted.

    A withdrawal counts while it is neither ended nor expired and whoever made it still holds the right: a revoked
    or expired grant locks the knowledge again at once.
    """
    maker = aliased(Principal)
    owns = and_(maker.role == Role.OWNER, or_(Deposit.owner_id == maker.id, Model.owner_id == maker.id))
    granted = (
        select(Grant.id)
        .where(
            Grant.principal_id == maker.id,
            or_(Grant.deposit_id == Deposit.id, Grant.model_id == Deposit.model_id),
            _grant_lives(),
        )
        .exists()
    )
    statement = (
        select(Deposit.id)
        .join(WithdrawalDeposit, WithdrawalDeposit.deposit_id == Deposit.id)
        .join(Withdrawal, Withdrawal.id == WithdrawalDeposit.withdrawal_id)
        .join(maker, maker.id == Withdrawal.created_by)
        .join(Model, Model.id == Deposit.model_id)
        .where(
            Deposit.model_id == model_id,
            Deposit.state == DepositState.SEALED,
            or_(Withdrawal.principal_id.is_(None), Withdrawal.principal_id == principal_id),
            Withdrawal.ended_at.is_(None),
            or_(Withdrawal.expires_at.is_(None), Withdrawal.expires_at > now_epoch()),
            or_(maker.role == Role.ADMIN, owns, granted),
        )
        .order_by(Deposit.id)
        .distinct()
    )
    return session.scalars(statement).all()


def next_expiry(session: Session, model_id: str) -> datetime | None:
    """When the next live withdrawal from the model, or grant on anything, expires; null if none will.

    Grants on other models count as well: an index tells the next of all, where telling those of one model means to
    look at each; a time that is too early only has a right read again.
    """
    ending = (
        select(func.min(Withdrawal.expires_at)).where(
            Withdrawal.model_id == model_id,
            Withdrawal.ended_at.is_(None),
            Withdrawal.expires_at > now_epoch(),
        ),
        select(func.min(Grant.expires_at)).where(Grant.revoked_at.is_(None), Grant.expires_at > now_epoch()),
    )
    return min((found for found in map(session.scalar, ending) if found is not None), default=None)


def _grant_lives() -> ColumnElement[bool]:
    return and_(Grant.revoked_at.is_(None), or_(Grant.expires_at.is_(None), Grant.expires_at > now_epoch()))
