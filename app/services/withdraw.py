"""Withdrawals: exercise the right to a deposit's knowledge, and end it."""

from dataclasses import dataclass
from datetime import datetime

from app.db.models import Deposit, Withdrawal, utc_now
from app.db.repositories import deposits, principals, rights
from app.db.session import Session, Sessions
from app.domain.errors import Conflict, Forbidden, NotFound
from app.domain.ledger import Decision
from app.domain.lifecycle import DepositState
from app.domain.rights import Action, Caller, Role, may, may_withdraw
from app.services.describe_rows import withdrawal_view
from app.services.expiry import require_to_come, until
from app.services.find import require, require_left
from app.services.record_decision import record_decision
from app.services.views import WithdrawalView
from app.vault.lock import Lock

EVERYONE = "everyone"
CALLER = "caller"


@dataclass(frozen=True)
class WithdrawalOrder:
    """``scope`` is ``caller``, ``everyone``, or the name of a principal."""

    deposits: tuple[str, ...]
    scope: str
    reason: str
    expires_at: datetime | None


def create_withdrawal(session: Session, lock: Lock, caller: Caller, order: WithdrawalOrder) -> WithdrawalView:
    """Let the scope's principals be answered by the recover net.

    Raises:
        Forbidden: for a deposit that is unknown or that the caller has no right to (one answer, so that ids leak
            nothing), or if the caller may not withdraw for others.
        Gone: if a deposit was erased, or is disabled until it is.
        Conflict: if a deposit is not sealed yet, or the deposits belong to several models.
        VaultSealed: nothing can be opened now.
    """
    chosen = [_withdrawable(session, caller, deposit_id) for deposit_id in dict.fromkeys(order.deposits)]
    if len({deposit.model_id for deposit in chosen}) != 1:
        raise Conflict(
            "The deposits belong to several models.", "Make one withdrawal for each model.", "deposits"
        )
    require_to_come(order.expires_at)
    lock.require_open()
    principal_id = _beneficiary(session, caller, order.scope, chosen)
    withdrawal = Withdrawal(
        model_id=chosen[0].model_id,
        principal_id=principal_id,
        created_by=caller.principal_id,
        reason=order.reason,
        expires_at=order.expires_at,
        deposits=chosen,
    )
    session.add(withdrawal)
    session.flush()
    facts = {
        "deposits": [deposit.id for deposit in chosen],
        "scope": scope_name(session, withdrawal),
        "expires_at": until(order.expires_at),
    }
    record_decision(
        session,
        caller,
        Decision.WITHDRAWAL_MADE,
        withdrawal.id,
        owner=chosen[0].owner_id,
        reason=order.reason,
        facts=facts,
    )
    return withdrawal_view(withdrawal, scope_name(session, withdrawal))


def list_withdrawals(
    sessions: Sessions, caller: Caller, limit: int, after: str | None
) -> list[WithdrawalView]:
    """All withdrawals for an admin; for others those by them, for them, or for everyone."""
    only = None if caller.role is Role.ADMIN else caller.principal_id
    with sessions.read() as session:
        found = rights.withdrawals(session, only, limit, after)
        return [withdrawal_view(row, scope_name(session, row)) for row in found]


def end_withdrawal(sessions: Sessions, caller: Caller, withdrawal_id: str) -> WithdrawalView:
    """Lock the knowledge again; ending twice changes nothing."""
    with sessions.write() as session:
        row = rights.withdrawal(session, withdrawal_id)
        owners = [] if row is None else _may_end(row)
        if row is None or not may(caller, Action.END_WITHDRAWAL, owners):
            raise NotFound(
                f"There is no withdrawal {withdrawal_id!r}.",
                "List withdrawals with GET /withdrawals.",
                "withdrawal",
            )
        if row.ended_at is None:
            row.ended_at = utc_now()
            owner = row.deposits[0].owner_id
            record_decision(session, caller, Decision.WITHDRAWAL_ENDED, row.id, owner=owner)
        return withdrawal_view(row, scope_name(session, row))


def scope_name(session: Session, withdrawal: Withdrawal) -> str:
    if withdrawal.principal_id is None:
        return EVERYONE
    principal = principals.get(session, withdrawal.principal_id)
    return principal.name if principal else withdrawal.principal_id


def _withdrawable(session: Session, caller: Caller, deposit_id: str) -> Deposit:
    deposit = deposits.get(session, deposit_id)
    if deposit is None or not may_withdraw(
        caller,
        deposit_owner=deposit.owner_id,
        model_owner=deposit.model.owner_id,
        granted=rights.has_grant(session, caller.principal_id, deposit),
    ):
        raise Forbidden(
            f"{caller.name} holds no right to a deposit {deposit_id!r}.",
            "Ask the deposit's owner for a grant.",
            "deposits",
        )
    require_left(deposit, "deposits")
    if deposit.state != DepositState.SEALED:
        raise Conflict(
            f"Deposit {deposit_id!r} is {deposit.state}, not sealed.",
            f"Wait for job {deposit.job_id} to succeed.",
            "deposits",
        )
    return deposit


def _beneficiary(session: Session, caller: Caller, scope: str, chosen: list[Deposit]) -> str | None:
    """The principal id for whom the withdrawal is made; None means everyone."""
    if scope in {CALLER, caller.name}:
        return caller.principal_id
    for deposit in chosen:
        require(caller, Action.WITHDRAW_FOR_EVERYONE, deposit.model.owner_id)
    if scope == EVERYONE:
        return None
    other = principals.by_name(session, scope)
    if other is None:
        raise NotFound(f"There is no principal {scope!r}.", "An admin makes one with POST /keys.", "scope")
    return other.id


def _may_end(row: Withdrawal) -> list[str | None]:
    """Whoever made it, whoever it is for, and the owners of what it restores."""
    owners = [owner for deposit in row.deposits for owner in (deposit.owner_id, deposit.model.owner_id)]
    return [row.created_by, row.principal_id, *owners]
