"""The express lane answers as the route does, and leaves to the route whatever is unusual."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.api import express
from app.domain.errors import TooMany
from app.inference.serving import Serving
from app.lirf.data.images import encode_png
from app.lirf.data.source import open_source

Json = dict[str, Any]
Headers = dict[str, str]

IMAGE = encode_png(open_source("digits", "test").images[0])
PNG = {"Content-Type": "image/png"}


@pytest.fixture
def expressed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the express lane has answered."""
    answered: list[object] = []
    to_json = express.to_json

    def counting(view: object) -> bytes:
        answered.append(view)
        return to_json(view)

    monkeypatch.setattr(express, "to_json", counting)
    return answered


@pytest.fixture
def ask(http: httpx.Client, owner: Headers, model: str) -> Callable[..., httpx.Response]:
    """A prediction by somebody whose caller, right and net are in memory."""
    http.get("/healthz")
    for _ in range(2):
        http.post("/predict", params={"model": model}, content=IMAGE, headers=owner | PNG).raise_for_status()

    def ask(
        query: str | None = None,
        content: bytes = IMAGE,
        headers: Headers | list[tuple[str, str]] | None = None,
        method: str = "POST",
    ) -> httpx.Response:
        wanted = f"model={model}&top_k=3" if query is None else query.format(model=model)
        given = owner | PNG if headers is None else headers
        return http.request(method, f"/predict?{wanted}", content=content, headers=given)

    return ask


def test_a_plain_prediction_takes_the_express_lane_and_is_answered_as_by_the_route(
    ask: Callable[..., httpx.Response], owner: Headers, expressed: list[object]
) -> None:
    fast = ask()
    assert len(expressed) == 1
    slow = ask(headers={"Authorization": owner["Authorization"].replace("Bearer", "bearer"), **PNG})
    assert len(expressed) == 1
    assert fast.json() == slow.json()
    assert {*fast.headers} == {*slow.headers}
    for name in ("cache-control", "content-type", "x-content-type-options", "content-security-policy"):
        assert fast.headers[name] == slow.headers[name]


def test_a_key_in_its_own_header_takes_it_too(
    ask: Callable[..., httpx.Response], owner: Headers, expressed: list[object]
) -> None:
    key = owner["Authorization"].removeprefix("Bearer ")
    assert ask(headers={"X-API-Key": key, **PNG}).status_code == 200
    assert len(expressed) == 1


def test_it_is_counted_under_the_routes_name(ask: Callable[..., httpx.Response], http: httpx.Client) -> None:
    def counted() -> float:
        series = 'lirf_http_requests_total{method="POST",route="/predict",status="200"}'
        lines = http.get("/metrics").text.splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(series))

    before = counted()
    ask()
    assert counted() == before + 1


def test_a_header_given_twice_is_left_to_the_route(
    ask: Callable[..., httpx.Response], owner: Headers, expressed: list[object]
) -> None:
    twice = [*(owner | PNG).items(), ("Via", "1.1 one"), ("Via", "1.1 two")]
    assert ask(headers=twice).status_code == 200
    assert ask(headers=[*twice, ("Authorization", "Bearer lirf_1_2")]).status_code in {200, 401}
    assert not expressed


UNUSUAL: dict[str, tuple[Json, int]] = {
    "no model": ({"query": "top_k=3"}, 400),
    "an empty model": ({"query": "model="}, 422),
    "another model": ({"query": "model=nobody"}, 404),
    "a model twice": ({"query": "model={model}&model={model}"}, 200),
    "too many classes": ({"query": "model={model}&top_k=1001"}, 422),
    "a number behind zeros": ({"query": "model={model}&top_k=00100999"}, 422),
    "no class": ({"query": "model={model}&top_k=0"}, 422),
    "a word for a number": ({"query": "model={model}&top_k=five"}, 422),
    "a long number": ({"query": "model={model}&top_k=" + "9" * 5000}, 422),
    "an unknown parameter": ({"query": "model={model}&other=1"}, 200),
    "a damaged image": ({"content": IMAGE[: len(IMAGE) // 2]}, 422),
    "no image": ({"content": b""}, 422),
    "text": ({"content": b"text"}, 422),
    "a large body": ({"content": IMAGE + bytes(express.SMALL_FILE)}, 200),
    "no key": ({"headers": PNG}, 401),
    "a wrong key": ({"headers": {"Authorization": "Bearer lirf_1_2", **PNG}}, 401),
    "a malformed key": ({"headers": {"Authorization": "Bearer wrong", **PNG}}, 401),
    "another scheme": ({"headers": {"Authorization": "Basic eA==", **PNG}}, 401),
    "two keys": ({"headers": {"Authorization": "Bearer wrong", "X-API-Key": "wrong", **PNG}}, 401),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_what_is_unusual_is_left_to_the_route_with_its_whole_body(
    name: str, ask: Callable[..., httpx.Response], expressed: list[object]
) -> None:
    request, status = UNUSUAL[name]
    answer = ask(**request)
    assert not expressed
    if status in {400, 422}:
        assert answer.status_code in {400, 422}
        assert answer.json()["remedy"]
    else:
        assert answer.status_code == status


def test_a_busy_engine_is_told_of_as_by_the_route(
    ask: Callable[..., httpx.Response], owner: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(*_: object) -> None:
        raise TooMany("9 images wait already.", "Ask again later.", retry_after=3)

    monkeypatch.setattr(Serving, "probabilities", busy)
    fast = ask(headers={**owner, **PNG, "X-Request-ID": "mine"})
    slow = ask(headers={"Authorization": owner["Authorization"].replace("Bearer", "bearer"), **PNG})
    assert (fast.status_code, fast.headers["retry-after"], fast.headers["x-request-id"]) == (429, "3", "mine")
    assert fast.json() == slow.json()
    assert {*fast.headers} == {*slow.headers}
    assert fast.headers["content-type"] == slow.headers["content-type"] == "application/problem+json"


def test_after_an_unexpected_error_the_route_tries_once_more(
    ask: Callable[..., httpx.Response], expressed: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = Serving.probabilities, iter([RuntimeError("once")])

    async def failing_once(*arguments: Any) -> Any:
        if error := next(failures, None):
            raise error
        return await real(*arguments)

    monkeypatch.setattr(Serving, "probabilities", failing_once)
    assert ask().status_code == 200
    assert not expressed
