"""``Idempotency-Key``: the same key and body give the same answer, another body is refused.

The record is written in the transaction that creates the resource, so a repeat either finds both or neither.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic_core import to_jsonable_python

from app.db.repositories import idempotency
from app.db.session import Session, Sessions
from app.domain.errors import Invalid
from app.domain.rights import Caller


@dataclass(frozen=True)
class Repeatable:
    """One POST as its sender named it: the route, the key if any, and a digest of the body."""

    route: str
    key: str | None
    fingerprint: str


def fingerprint(*parts: Any) -> str:
    """SHA-256 over a canonical form of the body's parts; bytes count by their own digest."""
    canonical = [hashlib.sha256(part).hexdigest() if isinstance(part, bytes) else part for part in parts]
    return hashlib.sha256(json.dumps(canonical, sort_keys=True, default=str).encode()).hexdigest()


def create_once(
    sessions: Sessions,
    caller: Caller,
    request: Repeatable,
    create: Callable[[Session], Any],
    shown_once: Sequence[str] = (),
) -> dict[str, Any]:
    """Run ``create`` in one write transaction, or return what it returned for this key before.

    Fields in ``shown_once`` are secrets: they are not kept, and a repeat shows null in their place.

    Raises:
        Invalid: if the key was used with another body.
    """
    with sessions.write() as session:
        if request.key is None:
            return _json(create(session))
        before = _answer_before(session, caller, request)
        if before is not None:
            return before
        answer = _json(create(session))
        kept = {**answer, **dict.fromkeys(shown_once)}
        idempotency.remember(
            session, caller.principal_id, request.route, request.key, request.fingerprint, kept
        )
        return answer


def answered_before(sessions: Sessions, caller: Caller, request: Repeatable) -> dict[str, Any] | None:
    """The first answer to a repeat, for routes whose preparation could not be repeated; None if it is the first.

    Raises:
        Invalid: if the key was used with another body.
    """
    with sessions.read() as session:
        return _answer_before(session, caller, request)


def _answer_before(session: Session, caller: Caller, request: Repeatable) -> dict[str, Any] | None:
    if request.key is None:
        return None
    known = idempotency.find(session, caller.principal_id, request.route, request.key)
    if known is not None and known.fingerprint != request.fingerprint:
        raise Invalid(
            f"Idempotency-Key {request.key!r} was already used with another body.",
            "Send the first body again, or choose a new key.",
            "Idempotency-Key",
        )
    return None if known is None else known.answer


def _json(view: object) -> dict[str, Any]:
    return cast("dict[str, Any]", to_jsonable_python(view))
