"""Bring a database to the newest schema; safe to run by several processes at once."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, text

from app.db.keystore.models import KeyBase
from app.db.models import Base
from app.db.session import Sessions

ADVISORY_LOCK = 0x11BF  # any constant that no other program of this database uses


@dataclass(frozen=True)
class Schema:
    """Tables with a history of their own; two of them may share a database.

    Attributes:
        metadata: the tables as the models have them.
        versions: the history's folder, in ``migrations``.
        version_table: where the database notes how far it came.
    """

    metadata: MetaData
    versions: str
    version_table: str


SERVICE = Schema(Base.metadata, "versions", "alembic_version")
KEY_STORE = Schema(KeyBase.metadata, "keystore/versions", "alembic_version_keystore")


def upgrade(sessions: Sessions, schema: Schema = SERVICE) -> None:
    """Run every missing migration: on PostgreSQL in one transaction each, on SQLite in one for all."""
    with migrating(sessions) as connection:
        command.upgrade(make_config(connection, schema), "head")


@contextmanager
def migrating(sessions: Sessions) -> Iterator[Connection]:
    """A connection to migrate on, which no other migrator gets in between; it commits when the block ends.

    SQLite cannot alter a constraint: the table is made anew and the old one dropped, which must not touch the rows that
    refer to it. So foreign keys are off meanwhile and checked at the end, as SQLite's documentation advises.

    Raises:
        ValueError: if a row would refer to nothing; nothing is changed then.
    """
    with sessions.engine.execution_options(lirf_write=True).connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if sqlite:
            _foreign_keys(connection, on=False)
        try:
            _lock(connection)
            yield connection
            if sqlite and (dangling := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
                raise ValueError(f"rows would refer to nothing: {dangling[:5]}")
            connection.commit()
        finally:
            connection.rollback()
            if sqlite:
                _foreign_keys(connection, on=True)


def _foreign_keys(connection: Connection, *, on: bool) -> None:
    """Outside of any transaction, in which SQLite would ignore it."""
    connection.connection.cursor().execute(f"PRAGMA foreign_keys={'ON' if on else 'OFF'}").close()


def make_config(connection: Connection, schema: Schema = SERVICE) -> Config:
    """Alembic's configuration for one open connection, without any file."""
    folder = _migrations_folder()
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", str(folder / schema.versions))
    config.attributes["connection"] = connection
    config.attributes["schema"] = schema
    return config


def _lock(connection: Connection) -> None:
    """Wait for another migrator, and keep the next one waiting until all migrations are done."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        connection.commit()  # the session keeps the lock until it is closed
    else:
        connection.begin()  # a write transaction of Alembic's own would end after each migration


def _migrations_folder() -> Path:
    spec = importlib.util.find_spec("migrations")
    if spec is None or spec.origin is None:
        raise LookupError("the migrations package is not installed")
    return Path(spec.origin).parent
