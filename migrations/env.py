"""Alembic's environment: runs on a connection that `app.db.migrate` hands over, or on LIRF_DATABASE_URL."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

from app.config import Settings
from app.db.clock import Instant
from app.db.migrate import SERVICE, Schema
from app.db.session import make_engine


def plain_types(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """History must not change with the application: write our own types as the SQL types that they are."""
    return "sa.Double()" if kind == "type" and isinstance(item, Instant) else False


def migrate(connection: Connection, schema: Schema) -> None:
    context.configure(
        connection=connection,
        target_metadata=schema.metadata,
        version_table=schema.version_table,
        include_name=lambda name, kind, _parents: kind != "table" or name in schema.metadata.tables,
        render_as_batch=True,
        compare_type=True,
        render_item=plain_types,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given, context.config.attributes["schema"])
else:
    engine = make_engine(Settings().database_url)
    with engine.execution_options(lirf_write=True).connect() as own:
        migrate(own, SERVICE)
    engine.dispose()
