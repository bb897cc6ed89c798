"""Work ends with the client that asked for it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from app.api.disconnects import while_connected


def client_of(*messages: Message) -> Receive:
    """A client that sends these messages and then stays."""
    left = list(messages)

    async def receive() -> Message:
        if left:
            return left.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    return receive


BODY: Message = {"type": "http.request", "body": b"", "more_body": False}
GONE: Message = {"type": "http.disconnect"}


def run(steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(steps(), 5))


@pytest.mark.parametrize("messages", [(), (BODY,)])
def test_whoever_stays_is_answered(messages: tuple[Message, ...]) -> None:
    async def work() -> str:
        await asyncio.sleep(0.01)
        return "answer"

    async def steps() -> None:
        assert await while_connected(client_of(*messages), work()) == "answer"

    run(steps)


def test_whoever_hangs_up_has_their_work_cancelled() -> None:
    ended = asyncio.Event()

    async def work() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    async def steps() -> None:
        with pytest.raises(ClientDisconnect):
            await while_connected(client_of(BODY, GONE), work())
        await ended.wait()

    run(steps)


def test_an_error_of_the_work_is_the_callers() -> None:
    async def work() -> str:
        raise ValueError("of the work")

    async def steps() -> None:
        with pytest.raises(ValueError, match="of the work"):
            await while_connected(client_of(BODY), work())

    run(steps)
