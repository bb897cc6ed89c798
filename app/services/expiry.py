"""Rights that end by themselves."""

from datetime import UTC, datetime

from app.db.models import utc_now
from app.domain.errors import Invalid
from app.domain.ledger import instant


def require_to_come(expires_at: datetime | None) -> None:
    """Raise Invalid if an expiry was given that lies in the past."""
    if expires_at is not None and expires_at <= utc_now():
        raise Invalid("expires_at lies in the past.", "Give a time to come, or none.", "expires_at")


def until(expires_at: datetime | None) -> str | None:
    """An expiry as the ledger writes it."""
    return None if expires_at is None else instant(expires_at.astimezone(UTC))
