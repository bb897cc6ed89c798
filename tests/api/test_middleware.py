from collections.abc import AsyncIterator

import anyio
import httpx
from fastapi import FastAPI, Request

from app.api.middleware import Admission, BodyLimit, Gate

LIMIT = 1000


def service() -> tuple[FastAPI, list[int]]:
    app = FastAPI()
    worked_on: list[int] = []

    @app.post("/anything")
    async def length(request: Request) -> int:
        body = await request.body()
        worked_on.append(len(body))
        return len(body)

    app.add_middleware(BodyLimit, limit_of=lambda path: LIMIT if path == "/anything" else 0)
    return app, worked_on


def post(
    body: bytes | AsyncIterator[bytes], headers: dict[str, str] | None = None
) -> tuple[httpx.Response, list[int]]:
    app, worked_on = service()

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lirf") as client:
            return await client.post("/anything", content=body, headers=headers)

    return anyio.run(send), worked_on


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 100


def test_a_body_of_exactly_the_limit_passes() -> None:
    response, worked_on = post(b"x" * LIMIT)
    assert (response.status_code, response.json(), worked_on) == (200, LIMIT, [LIMIT])


def test_a_longer_body_is_refused_by_its_claimed_length_before_it_is_read() -> None:
    response, worked_on = post(b"x" * (LIMIT + 1))
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == "The body is longer than the 1,000 bytes allowed here."
    assert worked_on == []


def test_a_body_without_a_length_is_counted_and_refused_when_it_passes_the_limit() -> None:
    response, worked_on = post(pieces(11))
    assert response.status_code == 413
    assert response.json()["type"] == "/problems/payload-too-large"
    assert worked_on == []


def test_a_body_in_pieces_up_to_the_limit_passes() -> None:
    response, worked_on = post(pieces(10))
    assert (response.status_code, worked_on) == (200, [LIMIT])


def test_a_claimed_length_that_is_too_short_does_not_smuggle_bytes() -> None:
    response, worked_on = post(pieces(11), {"content-length": "10"})
    assert response.status_code == 413
    assert worked_on == []


def test_predictions_beyond_those_being_worked_on_are_turned_away_before_they_are_read() -> None:
    app = FastAPI()
    rejected: list[str] = []
    inside, go = anyio.Event(), anyio.Event()

    @app.post("/predict")
    async def predict() -> str:
        inside.set()
        await go.wait()
        return "answered"

    @app.get("/models")
    async def models() -> str:
        return "listed"

    app.add_middleware(Admission, gate=Gate(1), reject=rejected.append)

    async def steps() -> tuple[httpx.Response, httpx.Response, httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lirf") as client:
            first: list[httpx.Response] = []

            async def ask() -> None:
                first.append(await client.post("/predict"))

            async with anyio.create_task_group() as group:
                group.start_soon(ask)
                await inside.wait()
                second, other = await client.post("/predict"), await client.get("/models")
                go.set()
            assert (await client.post("/predict")).status_code == 200
            return first[0], second, other

    first, second, other = anyio.run(steps)
    assert (first.status_code, first.json()) == (200, "answered")
    assert (second.status_code, second.headers["retry-after"]) == (429, "1")
    assert second.json()["detail"] == "1 predictions are being worked on."
    assert other.json() == "listed"
    assert rejected == ["too_many_at_once"]
