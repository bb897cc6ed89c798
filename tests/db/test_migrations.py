"""The schema's history on both databases: up, down and up again, and no drift from the models."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import inspect

from app.db.migrate import make_config, upgrade
from app.db.models import Base, Principal
from app.db.session import Sessions, open_sessions

TABLES = {table.name for table in Base.metadata.sorted_tables}


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Sessions]:
    sessions = open_sessions(empty_database_url)
    yield sessions
    sessions.close()


def tables(sessions: Sessions) -> set[str]:
    return set(inspect(sessions.engine).get_table_names()) - {"alembic_version"}


def downgrade(sessions: Sessions) -> None:
    with sessions.engine.execution_options(lirf_write=True).connect() as connection:
        command.downgrade(make_config(connection), "base")
        connection.commit()


def test_the_history_leads_up_down_and_up_again(empty: Sessions) -> None:
    upgrade(empty)
    assert tables(empty) == TABLES
    downgrade(empty)
    assert tables(empty) == set()
    upgrade(empty)
    assert tables(empty) == TABLES


def test_the_history_ends_where_the_models_are(empty: Sessions) -> None:
    upgrade(empty)
    with empty.engine.connect() as connection:
        command.check(make_config(connection))


def test_upgrading_again_keeps_every_row(empty: Sessions) -> None:
    upgrade(empty)
    with empty.write() as session:
        session.add(Principal(id="prn_kept", name="kept", role="admin"))
    upgrade(empty)
    with empty.read() as session:
        assert session.get_one(Principal, "prn_kept").name == "kept"


def test_processes_that_start_at_once_make_one_schema_and_one_first_key(
    empty_database_url: str, tmp_path: Path
) -> None:
    environment = {**os.environ, "LIRF_DATABASE_URL": empty_database_url, "LIRF_DATA_DIR": str(tmp_path)}
    command_line = [sys.executable, "-m", "app.cli", "migrate"]
    started = [
        subprocess.Popen(
            command_line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    told = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0], told
    assert sorted("Admin key" in out for out, _ in told) == [False, True]
    sessions = open_sessions(empty_database_url)
    assert tables(sessions) == TABLES
    sessions.close()
