"""Who is calling? API keys are ``lirf_<id>_<secret>``; the database holds the secret's SHA-256 only."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from app.db.repositories import principals
from app.db.session import Sessions
from app.domain.errors import Unauthenticated
from app.domain.rights import Caller, Role

REMEDY = (
    "Send 'Authorization: Bearer lirf_<id>_<secret>' (or X-API-Key) with a live key; an admin makes keys."
)


@dataclass(frozen=True)
class KeyText:
    """The two halves of a key as its holder writes it."""

    id: str
    secret: str

    @classmethod
    def generate(cls) -> Self:
        return cls(secrets.token_hex(6), secrets.token_hex(32))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split ``lirf_<id>_<secret>``; raise Unauthenticated for any other shape."""
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        if prefix != "lirf" or not key_id or not secret or not text.isascii():
            raise Unauthenticated("The API key is malformed.", REMEDY)
        return cls(key_id, secret)

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def __str__(self) -> str:
        return f"lirf_{self.id}_{self.secret}"


@dataclass(frozen=True)
class FoundCaller:
    """The holder of a live key, the hash that its secret has, and when the key expires."""

    caller: Caller
    secret_hash: str
    expires_at: datetime | None


def authenticate(sessions: Sessions, key: str | None) -> Caller:
    """Return the caller that holds ``key``; see `find_caller`."""
    return find_caller(sessions, key).caller


def find_caller(sessions: Sessions, key: str | None) -> FoundCaller:
    """Find the caller that holds ``key``.

    Raises:
        Unauthenticated: if the key is missing, malformed, unknown, revoked or expired; which one is not told.
    """
    if not key:
        raise Unauthenticated("The request carries no API key.", REMEDY)
    presented = KeyText.parse(key)
    with sessions.read() as session:
        row = principals.live_key(session, presented.id)
    # an unknown id costs the same comparison as a wrong secret
    if not hmac.compare_digest(row.secret_hash if row else "0" * 64, presented.hash) or row is None:
        raise Unauthenticated("The API key is unknown, revoked or expired.", REMEDY)
    caller = Caller(row.principal_id, row.principal.name, Role(row.principal.role), row.id)
    return FoundCaller(caller, row.secret_hash, row.expires_at)
