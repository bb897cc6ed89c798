"""The key store's two tables."""

from datetime import datetime

from sqlalchemy import LargeBinary, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.db.clock import Instant
from app.db.models import NAMING, new_id, utc_now


class KeyBase(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: Instant, str: String(255)}  # noqa: RUF012  SQLAlchemy declares it a plain dict


class DataKey(KeyBase):
    """A data key under a key-encryption key; ``wrapped`` is null once it is destroyed, and the row stays to say so."""

    __tablename__ = "data_keys"

    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("key"))
    kek_id: Mapped[str] = mapped_column(index=True)
    kek_check: Mapped[str] = mapped_column(String(16))
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    destroyed_at: Mapped[datetime | None]


class VaultState(KeyBase):
    """One row, there from the first migration on: the key that wraps, and whether an admin has sealed the vault."""

    __tablename__ = "vault_state"

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    kek_id: Mapped[str | None]
    sealed_at: Mapped[datetime | None]
    sealed_by: Mapped[str | None]
    reason: Mapped[str | None] = mapped_column(Text)
