"""What requests left in the databases and in the folder for temporary files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select

from app.db.keystore.models import KeyBase
from app.db.models import Base
from app.db.repositories import artifacts, ledger
from app.db.session import Sessions
from app.domain.ledger import first_break
from app.services.record_decision import SERVICE

NAMED_BY = {
    "principals": "name",
    "api_keys": "id",
    "datasets": "id",
    "models": "id",
    "model_versions": "model_id",
    "jobs": "id",
    "deposits": "id",
    "grants": "id",
    "withdrawals": "id",
    "withdrawal_deposits": "withdrawal_id",
    "ledger": "request_id",
}
"""Tables, and the column by which whoever had a row made was told of it."""

Rows = dict[str, dict[tuple[Any, ...], Mapping[str, Any]]]


class Residue:
    """The rows of a service's databases as they are when this is made."""

    def __init__(self, service: Sessions, key_store: Sessions, temporary: Path) -> None:
        self._service = service
        self._key_store = key_store
        self._temporary = temporary
        self._files = set(temporary.rglob("*"))
        self._before = self._rows()

    def left(self, told: set[str]) -> list[str]:
        """Every row made since that no successful answer speaks of, and whatever else should not be there."""
        new = {
            table: [row for key, row in rows.items() if key not in self._before[table]]
            for table, rows in self._rows().items()
        }
        found = [
            f"a row of {table} that no answer names: {dict(row)}"
            for table, column in NAMED_BY.items()
            for row in new[table]
            if row[column] not in told and not _by_the_service(table, row)
        ]
        found += [
            f"a remembered answer that was not given: {row['answer']}"
            for row in new["idempotency_records"]
            if not told.intersection(map(str, row["answer"].values()))
        ]
        found += [f"a data key for nothing: {row['id']}" for row in new["data_keys"]]
        found += [f"a temporary file: {path}" for path in set(self._temporary.rglob("*")) - self._files]
        return found + self._unreferenced() + self._broken_chain()

    def _rows(self) -> Rows:
        tables = [(self._service, table) for table in Base.metadata.tables.values()]
        tables += [(self._key_store, table) for table in KeyBase.metadata.tables.values()]
        return {table.name: _read(sessions, table) for sessions, table in tables}

    def _unreferenced(self) -> list[str]:
        with self._service.write() as session:
            count = artifacts.delete_unreferenced(session)
        return [f"{count} artifacts that nothing refers to"] if count else []

    def _broken_chain(self) -> list[str]:
        with self._service.read() as session:
            length, _ = ledger.head(session)
            broken = first_break(ledger.page(session, after=0, limit=length))
        return [f"the ledger is broken: {broken.problem}"] if broken else []


def _read(sessions: Sessions, table: Table) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    keys = [column.name for column in table.primary_key]
    columns = [
        column for column in table.columns if column.name != "data"
    ]  # chunks are named by their artifact
    with sessions.read() as session:
        rows = session.execute(select(*columns)).mappings().all()
    return {tuple(row[key] for key in keys): dict(row) for row in rows}


def _by_the_service(table: str, row: Mapping[str, Any]) -> bool:
    """Whether this is what the service did by itself, such as an erasure whose time had come."""
    return table == "ledger" and row["request_id"] is None and row["actor"] == SERVICE
