"""Engines and sessions. A writer on SQLite begins IMMEDIATE, so it waits for its turn instead of failing late."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, exc, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session, sessionmaker

from app.domain.errors import Conflict, Invalid

__all__ = ["AWAY", "Session", "Sessions", "make_engine", "open_sessions"]

AWAY: tuple[type[Exception], ...] = (exc.OperationalError, exc.TimeoutError)
"""What is raised while a database does not answer, or has no connection left for one more."""

SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "busy_timeout=30000",
    "foreign_keys=ON",
    "synchronous=FULL",
    "secure_delete=ON",
)


_SNAPSHOT = {"postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}}
"""SQLite reads from a snapshot by itself; PostgreSQL has to be asked, or two queries may see two states."""


class Sessions:
    """Hands out short transactions: ``read()`` sees a snapshot, ``write()`` commits when its block ends."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        reading = engine.execution_options(**_SNAPSHOT.get(engine.dialect.name, {}))
        self._read = sessionmaker(reading, expire_on_commit=False, autoflush=False)
        self._write = sessionmaker(engine.execution_options(lirf_write=True), expire_on_commit=False)

    @contextmanager
    def read(self) -> Iterator[Session]:
        with _storable(), self._read() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        with _storable(), self._write.begin() as session:
            yield session

    def ping(self) -> None:
        """Raise SQLAlchemy's error if the database does not answer."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def scrub(self) -> None:
        """Empty SQLite's write-ahead log, in which deleted bytes would otherwise lie until its next checkpoint."""
        if self.engine.dialect.name != "sqlite":
            return
        connection = self.engine.raw_connection()  # a checkpoint cannot run inside a transaction
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        finally:
            connection.close()

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def _storable() -> Iterator[None]:
    """Refuse what the database refuses: a value that no column can hold, or the loser of a race for one name."""
    try:
        yield
    except exc.IntegrityError as error:
        raise Conflict(
            "Another request changed the same thing at the same moment.",
            "Look at what there is now, and try again.",
        ) from error
    except (exc.DataError, OverflowError) as error:
        raise Invalid(
            "A value of the request is beyond what can be stored.",
            "Send text without zero bytes, and whole numbers of a usual size.",
        ) from error


def open_sessions(url: str) -> Sessions:
    """Open the database at ``url`` (``sqlite:///…`` or ``postgresql+psycopg://…``)."""
    return Sessions(make_engine(url))


def make_engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql" and "+" not in parsed.drivername:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True, pool_size=10, max_overflow=30)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, pool_size=10, max_overflow=30)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, _record: Any) -> None:
    connection.isolation_level = None  # the begin hook below opens every transaction, not the driver
    cursor = connection.cursor()
    for pragma in SQLITE_PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    writes = connection.get_execution_options().get("lirf_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
