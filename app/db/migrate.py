"""Bring a database to the newest schema; safe to run by several processes at once."""

import importlib.util
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
    with sessions.engine.execution_options(lirf_write=True).connect() as connection:
        _lock(connection)
        command.upgrade(make_config(connection, schema), "head")
        connection.commit()


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
