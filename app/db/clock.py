"""Time as the database tells it: instants are seconds since 1970 UTC, and leases trust no other clock."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Dialect, Double
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import TypeDecorator


class Instant(TypeDecorator[datetime]):
    """An aware UTC ``datetime``, stored as a double so that SQLite and PostgreSQL compare it alike."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> float | None:  # noqa: ARG002
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return value.timestamp()

    def process_result_value(self, value: float | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else datetime.fromtimestamp(value, UTC)


class now_epoch(FunctionElement[float]):  # noqa: N801  reads as the SQL function that it is
    """The database's present time in seconds since 1970 UTC."""

    type = Double()
    inherit_cache = True


@compiles(now_epoch, "sqlite")
def _sqlite(element: Any, compiler: Any, **kw: Any) -> str:  # noqa: ARG001
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now_epoch, "postgresql")
def _postgresql(element: Any, compiler: Any, **kw: Any) -> str:  # noqa: ARG001
    return "extract(epoch from clock_timestamp())::double precision"
