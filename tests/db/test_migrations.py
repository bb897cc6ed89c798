"""The schema's history on both databases: up, down and up again, and no drift from the models."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import event, inspect, text

from app.config import Settings
from app.db.keystore.models import KeyBase
from app.db.migrate import KEY_STORE, SERVICE, Schema, make_config, migrating, upgrade
from app.db.models import Base, Deposit, Principal
from app.db.repositories import data_keys
from app.db.session import Sessions, open_sessions
from app.vault.keyring import read_keyring

OLD_DEPOSIT = """
    INSERT INTO principals VALUES ('prn', 'owner', 'owner', 0);
    INSERT INTO artifacts VALUES ('a', 1, true, 0);
    INSERT INTO datasets VALUES ('dst', 'd', 'prn', 's', 9, '[1, 8, 8]', '[]', '[]', 'a', 'a', 0);
    INSERT INTO models VALUES ('mdl', 'm', 'prn', 'resnet20', '[]', '{}', 7, 1, 0);
    INSERT INTO jobs (id, kind, state, model_id, owner_id, payload, fence, attempts, rung_at, cancel_requested,
        created_at) VALUES ('job', 'deposit', 'SUCCEEDED', 'mdl', 'prn', '{}', 1, 1, 0, false, 0);
    INSERT INTO deposits (id, model_id, owner_id, job_id, dataset_id, selector, set_digest, set_size, state, config,
        created_at) VALUES ('dep_old', 'mdl', 'prn', 'job', 'dst', '{}', 'x', 7, 'sealed', '{}', 0);
    INSERT INTO deposit_modules VALUES ('mod', 'dep_old', 1, 'a', 9, '{}', 0)
"""

TABLES = {table.name for table in Base.metadata.sorted_tables}
KEY_TABLES = {table.name for table in KeyBase.metadata.sorted_tables}


@pytest.fixture
def empty(empty_database_url: str) -> Iterator[Sessions]:
    sessions = open_sessions(empty_database_url)
    yield sessions
    sessions.close()


def tables(sessions: Sessions) -> set[str]:
    return set(inspect(sessions.engine).get_table_names()) - {SERVICE.version_table, KEY_STORE.version_table}


def downgrade(sessions: Sessions, schema: Schema = SERVICE) -> None:
    with migrating(sessions) as connection:
        command.downgrade(make_config(connection, schema), "base")


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


def test_deposits_made_before_retain_sets_were_known_have_none_and_outlive_a_way_back(
    empty: Sessions,
) -> None:
    with migrating(empty) as connection:
        command.upgrade(make_config(connection), "0001")
    with empty.write() as session:
        for statement in OLD_DEPOSIT.split(";"):
            session.execute(text(statement))
    upgrade(empty)
    with empty.read() as session:
        row = session.get_one(Deposit, "dep_old")
        assert (row.set_size, row.retain_selector, row.retain_size) == (7, None, None)
        assert (row.state, row.erase_at, len(row.salt)) == ("sealed", None, 64)
        assert [module.size for module in row.modules] == [9]
    with migrating(empty) as connection:
        command.downgrade(make_config(connection), "0001")
        assert connection.scalar(text("SELECT set_size FROM deposits")) == 7
        assert connection.scalar(text("SELECT size FROM deposit_modules")) == 9


def test_on_sqlite_no_other_migrator_gets_in_between_two_migrations(tmp_path: Path) -> None:
    sessions = open_sessions(f"sqlite:///{tmp_path / 'first.db'}")
    other = sqlite3.connect(tmp_path / "first.db", timeout=0)
    seen: list[object] = []

    @event.listens_for(sessions.engine, "before_cursor_execute")
    def look(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("ALTER TABLE deposits ADD COLUMN"):
            seen.extend(other.execute("SELECT name FROM sqlite_master"))
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            seen.append("locked")

    upgrade(sessions)
    assert len(seen) > 1
    assert set(seen) == {"locked"}
    assert tables(sessions) == TABLES
    other.close()
    sessions.close()


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
    shared = KEY_TABLES if sessions.engine.dialect.name == "postgresql" else set()
    assert tables(sessions) == TABLES | shared
    sessions.close()
    settings = Settings(database_url=empty_database_url, data_dir=tmp_path)
    with_keys = open_sessions(settings.key_store_url)
    with with_keys.read() as session:
        assert data_keys.state(session).kek_id == read_keyring(settings.keyring_file).newest
    with_keys.close()


def test_the_key_store_may_share_a_database_with_the_service_in_any_order(empty: Sessions) -> None:
    for first, second in ((KEY_STORE, SERVICE), (SERVICE, KEY_STORE)):
        upgrade(empty, first)
        upgrade(empty, second)
        assert tables(empty) == TABLES | KEY_TABLES
        with empty.engine.connect() as connection:
            for schema in (first, second):
                command.check(make_config(connection, schema))
        downgrade(empty, KEY_STORE)
        assert tables(empty) == TABLES
        downgrade(empty)
        assert tables(empty) == set()
