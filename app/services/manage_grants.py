"""Grants: who may withdraw a deposit, or every deposit of a model, and until when."""

from datetime import datetime

from app.db.models import Grant, utc_now
from app.db.repositories import deposits, principals, rights
from app.db.session import Session, Sessions
from app.domain.errors import Invalid, NotFound
from app.domain.ledger import Decision
from app.domain.rights import Action, Caller, Role, may
from app.services.describe_rows import grant_view
from app.services.expiry import require_to_come, until
from app.services.find import find_deposit, find_model, require
from app.services.record_decision import record_decision
from app.services.views import GrantView


def create_grant(
    session: Session,
    caller: Caller,
    *,
    principal: str,
    deposit: str | None,
    model: str | None,
    expires_at: datetime | None,
) -> GrantView:
    """Give ``principal`` the right to withdraw ``deposit``, or every deposit of ``model``."""
    if (deposit is None) == (model is None):
        raise Invalid(
            "A grant names one deposit or one model.", "Give either 'deposit' or 'model'.", "deposit"
        )
    require_to_come(expires_at)
    owner = caller.principal_id
    if deposit is not None:
        found = find_deposit(session, caller, deposit, Action.GRANT)
        deposit, owner = found.id, found.owner_id
    if model is not None:
        row = find_model(session, model)
        require(caller, Action.GRANT, row.owner_id)
        model, owner = row.id, row.owner_id
    holder = principals.by_name(session, principal)
    if holder is None:
        raise NotFound(
            f"There is no principal {principal!r}.", "An admin makes one with POST /keys.", "principal"
        )
    grant = Grant(
        principal_id=holder.id,
        deposit_id=deposit,
        model_id=model,
        granted_by=caller.principal_id,
        expires_at=expires_at,
    )
    session.add(grant)
    session.flush()
    session.refresh(grant, ["principal"])
    facts = {"principal": holder.name, "deposit": deposit, "model": model, "expires_at": until(expires_at)}
    record_decision(session, caller, Decision.GRANT_MADE, grant.id, owner=owner, facts=facts)
    return grant_view(grant)


def list_grants(sessions: Sessions, caller: Caller, limit: int, after: str | None) -> list[GrantView]:
    """All grants for an admin; for others those that they gave or hold."""
    only = None if caller.role is Role.ADMIN else caller.principal_id
    with sessions.read() as session:
        return [grant_view(row) for row in rights.grants(session, only, limit, after)]


def revoke_grant(sessions: Sessions, caller: Caller, grant_id: str) -> GrantView:
    """Take the right back; withdrawals made by it stop with the next prediction."""
    with sessions.write() as session:
        grant = rights.grant(session, grant_id)
        if grant is None or not may(caller, Action.GRANT, [grant.granted_by]):
            raise NotFound(f"There is no grant {grant_id!r}.", "List grants with GET /grants.", "grant")
        if grant.revoked_at is None:
            grant.revoked_at = utc_now()
            record_decision(session, caller, Decision.GRANT_REVOKED, grant.id, owner=_owner(session, grant))
        return grant_view(grant)


def _owner(session: Session, grant: Grant) -> str | None:
    """Whom the granted deposit or model belongs to."""
    if grant.deposit_id is not None:
        deposit = deposits.get(session, grant.deposit_id)
        return deposit.owner_id if deposit else None
    return find_model(session, grant.model_id or "").owner_id
