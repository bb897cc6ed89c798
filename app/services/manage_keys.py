"""Principals and their keys: the first admin, further keys, revocation."""

from datetime import datetime

from app.db.models import ApiKey, Principal, utc_now
from app.db.repositories import principals
from app.db.session import Session, Sessions
from app.domain.errors import Conflict, NotFound
from app.domain.ledger import Decision
from app.domain.rights import Action, Caller, Role
from app.services.authenticate import KeyText
from app.services.describe_rows import key_view
from app.services.expiry import require_to_come, until
from app.services.find import require
from app.services.record_decision import record_decision
from app.services.views import KeyView, NewKeyView

FIRST_ADMIN = "admin"


def make_first_key(sessions: Sessions, key: KeyText | None = None) -> str | None:
    """Make the first admin and return its key's text, or None if anyone exists already."""
    text = key or KeyText.generate()
    with sessions.write() as session:
        if principals.any_exists(session):
            return None
        principal = Principal(name=FIRST_ADMIN, role=Role.ADMIN)
        session.add(principal)
        session.flush()
        session.add(ApiKey(id=text.id, principal_id=principal.id, secret_hash=text.hash))
        facts = {"principal": principal.name, "role": principal.role, "expires_at": None}
        record_decision(session, None, Decision.KEY_MADE, text.id, owner=principal.id, facts=facts)
    return str(text)


def create_key(
    session: Session, caller: Caller, *, principal: str, role: Role, expires_at: datetime | None
) -> NewKeyView:
    """Make a key for ``principal``, who is made too if unknown.

    Raises:
        Conflict: if the principal exists with another role.
        Invalid: if the key would have expired already.
    """
    require(caller, Action.MANAGE_KEYS)
    require_to_come(expires_at)
    row = principals.by_name(session, principal)
    if row is None:
        row = Principal(name=principal, role=role)
        session.add(row)
        session.flush()
    if row.role != role:
        raise Conflict(
            f"{principal!r} is already {row.role}, not {role}.",
            f"Ask for role {row.role!r}, or choose another principal.",
            "role",
        )
    text = KeyText.generate()
    session.add(ApiKey(id=text.id, principal_id=row.id, secret_hash=text.hash, expires_at=expires_at))
    facts = {"principal": row.name, "role": row.role, "expires_at": until(expires_at)}
    record_decision(session, caller, Decision.KEY_MADE, text.id, owner=row.id, facts=facts)
    return NewKeyView(text.id, str(text), row.name, row.role, expires_at)


def list_keys(sessions: Sessions, caller: Caller, limit: int, after: str | None) -> list[KeyView]:
    require(caller, Action.MANAGE_KEYS)
    with sessions.read() as session:
        return [key_view(row) for row in principals.keys(session, limit, after)]


def revoke_key(sessions: Sessions, caller: Caller, key_id: str) -> KeyView:
    require(caller, Action.MANAGE_KEYS)
    with sessions.write() as session:
        row = principals.key(session, key_id)
        if row is None:
            raise NotFound(f"There is no key {key_id!r}.", "List the keys with GET /keys.", "key")
        if key_id == caller.key_id:
            raise Conflict("A key cannot revoke itself.", "Revoke it with another admin key.", "key")
        if row.revoked_at is None:
            row.revoked_at = utc_now()
            record_decision(session, caller, Decision.KEY_REVOKED, row.id, owner=row.principal_id)
        return key_view(row)
