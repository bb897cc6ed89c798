"""The application on a socket and a database of its own; jobs are run here as a worker would run them."""

import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from app.config import Settings
from app.db.session import Sessions, open_sessions
from app.lirf.checkpoint import write_safetensors
from app.lirf.networks import create, published_state
from app.main import create_app
from app.services.authenticate import KeyText
from app.services.manage_keys import make_first_key
from app.services.run_job import run_job
from app.vault.opening import open_vault, prepare_vault
from app.vault.vault import Vault

Json = dict[str, Any]
Headers = dict[str, str]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Settings:
    folder = tmp_path_factory.mktemp("api")
    shutil.copy(migrated_sqlite, folder / "lirf.db")
    return Settings(data_dir=folder, threads=1, auth_failures_per_minute=100_000)


@pytest.fixture(scope="module")
def database(settings: Settings) -> Iterator[Sessions]:
    sessions = open_sessions(settings.database_url)
    yield sessions
    sessions.close()


@pytest.fixture(scope="module")
def vault(settings: Settings, database: Sessions) -> Iterator[Vault]:
    opened = open_vault(settings, database)
    prepare_vault(settings, opened)
    yield opened
    opened.close()


@contextmanager
def listening(settings: Settings) -> Iterator[httpx.Client]:
    """A client of the application, which listens on a socket of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=120) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="session")
def serve() -> Callable[[Settings], AbstractContextManager[httpx.Client]]:
    """Serve the application as some settings say."""
    return listening


@pytest.fixture(scope="module")
def http(settings: Settings, vault: Vault) -> Iterator[httpx.Client]:
    """A client of the application, whose vault is open."""
    assert not vault.lock.state().sealed
    with listening(settings) as client:
        yield client


@pytest.fixture(scope="module")
def admin(database: Sessions) -> Headers:
    key = make_first_key(database, KeyText.generate())
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def headers_of(http: httpx.Client, admin: Headers) -> Callable[..., Headers]:
    """The headers of a principal, who is made if unknown."""

    def make(principal: str, role: str = "member") -> Headers:
        answer = http.post("/keys", json={"principal": principal, "role": role}, headers=admin)
        return {"Authorization": f"Bearer {answer.json()['key']}"}

    return make


@pytest.fixture(scope="module")
def owner(headers_of: Callable[..., Headers]) -> Headers:
    return headers_of("owner", "owner")


@pytest.fixture(scope="module")
def member(headers_of: Callable[..., Headers]) -> Headers:
    return headers_of("member")


@pytest.fixture(scope="module")
def work(vault: Vault, settings: Settings, http: httpx.Client, admin: Headers) -> Callable[[str], None]:
    """Run a job to its end, and look at it through the api, which then answers accordingly."""

    def run(job: str) -> None:
        run_job(vault, settings, job)
        http.get(f"/jobs/{job}", headers=admin)

    return run


@pytest.fixture(scope="module")
def weights() -> bytes:
    return write_safetensors(published_state(create("resnet20", 10, 1)))


@pytest.fixture(scope="module")
def spec() -> Json:
    """The body of POST /models, but the name."""
    return {
        "architecture": "resnet20",
        "classes": [str(digit) for digit in range(10)],
        "input": {"channels": 1, "height": 8, "width": 8},
    }


@pytest.fixture(scope="module")
def data(http: httpx.Client, owner: Headers) -> str:
    """The owner's data set."""
    answer = http.post("/datasets", json={"name": "digits", "builtin": "digits"}, headers=owner)
    return str(answer.json()["name"])


@pytest.fixture(scope="module")
def model(http: httpx.Client, owner: Headers, spec: Json, weights: bytes) -> str:
    """The owner's model, from which nothing is deposited."""
    body = json.dumps({"name": "plain", **spec})
    answer = http.post("/models", data={"spec": body}, files={"weights": weights}, headers=owner)
    return str(answer.json()["name"])


@pytest.fixture(scope="module")
def deposit(
    http: httpx.Client, owner: Headers, spec: Json, weights: bytes, data: str, work: Callable[[str], None]
) -> str:
    """A sealed deposit from the owner's model ``deposited``."""
    body = json.dumps({"name": "deposited", **spec})
    http.post("/models", data={"spec": body}, files={"weights": weights}, headers=owner)
    order = {"model": "deposited", "dataset": data, "select": {"classes": ["3", "8"]}, "epochs": 1}
    accepted = http.post("/deposits", json={**order, "settings": {"min_steps": 1}}, headers=owner).json()
    work(accepted["job"])
    return str(accepted["deposits"][0])
