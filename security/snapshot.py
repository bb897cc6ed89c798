"""The rows of a database as they are, and back to what they were, while its service runs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, delete, insert, select, text, update

from app.db.session import Session, Sessions

Row = dict[str, Any]


class Snapshot:
    """Every row of some tables, to be put back after an attack.

    Args:
        sessions: the database.
        tables: the tables that an attack may touch.
    """

    def __init__(self, sessions: Sessions, tables: Sequence[Table]) -> None:
        self._sessions = sessions
        self._tables = tables
        with sessions.read() as session:
            self._rows = {table.name: _rows(session, table) for table in tables}

    def put_back(self) -> None:
        with self._sessions.write() as session:
            session.execute(text("PRAGMA defer_foreign_keys=ON"))
            for table in self._tables:
                _put_back(session, table, self._rows[table.name])


def _rows(session: Session, table: Table) -> dict[tuple[Any, ...], Row]:
    keys = [column.name for column in table.primary_key]
    found = [dict(row._mapping) for row in session.execute(select(table))]  # noqa: SLF001  SQLAlchemy's public API
    return {tuple(row[key] for key in keys): row for row in found}


def _put_back(session: Session, table: Table, wanted: dict[tuple[Any, ...], Row]) -> None:
    present = _rows(session, table)
    keys = list(table.primary_key)
    for key, row in present.items():
        if row == wanted.get(key):
            continue
        named = [column == value for column, value in zip(keys, key, strict=True)]
        if key in wanted:
            session.execute(update(table).where(*named).values(**wanted[key]))
        else:
            session.execute(delete(table).where(*named))
    for key in wanted.keys() - present.keys():
        session.execute(insert(table).values(**wanted[key]))
