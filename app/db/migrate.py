"""Bring the database to the newest schema; safe to run by several processes at once."""

import importlib.util
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from app.db.session import Sessions

ADVISORY_LOCK = 0x11BF  # any constant that no other program of this database uses


def upgrade(sessions: Sessions) -> None:
    """Run every missing migration: on PostgreSQL in one transaction each, on SQLite in one for all."""
    with sessions.engine.execution_options(lirf_write=True).connect() as connection:
        _lock(connection)
        command.upgrade(make_config(connection), "head")
        connection.commit()


def make_config(connection: Connection) -> Config:
    """Alembic's configuration for one open connection, without any file."""
    config = Config()
    config.set_main_option("script_location", str(_migrations_folder()))
    config.attributes["connection"] = connection
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
