"""Clients of the Open Inference Protocol look for errors in ``application/json``; everybody else gets problem+json."""

import anyio
import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from app.api import problems
from app.config import Settings
from app.main import create_app

Headers = dict[str, str]
PLAIN, PROBLEM = "application/json", "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "status", "media_type"),
    [
        ("GET", "/v2/models/none", 404, PLAIN),
        ("POST", "/v2", 405, PLAIN),
        ("GET", "/v2/no/such/path", 404, PLAIN),
        ("GET", "/models/none", 404, PROBLEM),
        ("GET", "/v2x", 404, PROBLEM),
    ],
)
def test_an_error_has_the_media_type_that_clients_of_its_path_read(
    http: httpx.Client, admin: Headers, method: str, path: str, status: int, media_type: str
) -> None:
    answer = http.request(method, path, headers=admin)
    assert (answer.status_code, answer.headers["content-type"]) == (status, media_type)
    body = answer.json()
    assert body["status"] == status
    assert body["error"].startswith(body["detail"])


def test_without_a_key_the_reason_is_plain_json_too(http: httpx.Client) -> None:
    answer = http.get("/v2/models/none")
    assert (answer.status_code, answer.headers["content-type"]) == (401, PLAIN)
    assert "The request carries no API key" in answer.json()["error"]


def ask(app: FastAPI, method: str, path: str, headers: Headers) -> httpx.Response:
    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://lirf") as client:
            return await client.request(method, path, headers=headers)

    return anyio.run(asked)


@pytest.mark.parametrize(("path", "media_type"), [("/v2/models/none/infer", PLAIN), ("/predict", PROBLEM)])
def test_so_has_a_body_that_was_refused_before_it_was_read(path: str, media_type: str) -> None:
    answer = ask(create_app(Settings()), "POST", path, {"Content-Length": str(10**12)})
    assert (answer.status_code, answer.headers["content-type"]) == (413, media_type)


@pytest.mark.parametrize(("path", "media_type"), [("/v2/fails", PLAIN), ("/fails", PROBLEM)])
def test_so_has_an_error_that_nobody_expected(path: str, media_type: str) -> None:
    app = FastAPI()
    problems.install(app)

    @app.get(path)
    def fails() -> None:
        raise RuntimeError("unexpected")

    with capture_logs() as logged:
        answer = ask(app, "GET", path, {})
    assert [entry["event"] for entry in logged] == ["unexpected_error"]
    assert (answer.status_code, answer.headers["content-type"]) == (500, media_type)


def test_the_openapi_document_says_so(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    for path, operations in paths.items():
        expected = PLAIN if path.startswith("/v2") else PROBLEM
        for operation in operations.values():
            assert set(operation["responses"]["4XX"]["content"]) == {expected}, path
