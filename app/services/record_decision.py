"""Write a decision into the ledger, in the transaction that carries it out: no entry, no decision."""

from typing import Any

from structlog.contextvars import get_contextvars

from app.db.repositories import ledger
from app.db.session import Session
from app.domain.ledger import Decision
from app.domain.rights import Caller

SERVICE = "service"
"""The actor of what nobody asked for at that moment, such as the end of a job."""

REQUEST_ID = "request_id"


def record_decision(
    session: Session,
    caller: Caller | None,
    decision: Decision,
    subject: str,
    *,
    owner: str | None = None,
    reason: str | None = None,
    facts: dict[str, Any] | None = None,
) -> None:
    """Append to the ledger.

    Args:
        session: the transaction of the decision itself.
        caller: who decided; None for the service.
        decision: what.
        subject: id of what it is about.
        owner: principal id of whom that belongs to.
        reason: the caller's own words.
        facts: further strings, whole numbers, lists and objects.
    """
    ledger.append(
        session,
        actor=caller.name if caller else SERVICE,
        key_id=caller.key_id if caller else None,
        decision=decision,
        subject=subject,
        owner=owner,
        reason=reason,
        request_id=get_contextvars().get(REQUEST_ID),
        facts=facts or {},
    )
