"""While the database is away a caller is told so, and that it is worth asking again."""

import socket
from pathlib import Path

import anyio
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from structlog.testing import capture_logs

from app.api import problems
from app.db.session import Sessions, open_sessions


def nobody_listens() -> Sessions:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    return open_sessions(f"postgresql+psycopg://lirf@127.0.0.1:{port}/lirf?connect_timeout=5")


def no_file_there(folder: Path) -> Sessions:
    (folder / "lirf.db").mkdir()
    return open_sessions(f"sqlite:///{folder / 'lirf.db'}")


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_a_database_that_does_not_answer_is_503_and_logged(kind: str, tmp_path: Path) -> None:
    sessions = nobody_listens() if kind == "postgresql" else no_file_there(tmp_path)
    app = FastAPI()
    problems.install(app)

    @app.get("/models")
    def read() -> None:
        with sessions.read() as session:
            session.execute(text("SELECT 1"))

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://lirf") as client:
            return await client.get("/models")

    with capture_logs() as logged:
        answer = anyio.run(asked)
    sessions.close()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/unavailable"
    assert answer.json()["detail"] == "The database does not answer."
    assert "Ask again in some seconds" in answer.json()["remedy"]
    assert [entry["event"] for entry in logged] == ["database_away"]
