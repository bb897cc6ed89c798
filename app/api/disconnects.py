"""Work for a client, as long as there is one: whoever hangs up gives their place in the queue back."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

Result = TypeVar("Result")

UNWATCHED_SECONDS = 0.1
"""Most work is done by then, and to watch its client would take longer than to finish for nobody."""


async def while_connected(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of ``work``, which is cancelled when the client hangs up.

    Args:
        receive: tells of the client, whose whole body was received before.
        work: for that client.

    Raises:
        ClientDisconnect: it did.
    """
    watch = _Watch(receive)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.client_gone:
            raise ClientDisconnect from None
        raise
    finally:
        watch.end()


class _Watch:
    """Cancels the task that made it when the client hangs up, from a moment on."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._working = asyncio.current_task()
        self._watching: asyncio.Task[None] | None = None
        self._start = asyncio.get_running_loop().call_later(UNWATCHED_SECONDS, self._begin)
        self._gone = False

    @property
    def client_gone(self) -> bool:
        """Whether it was this that cancelled the task, and nobody else beside it."""
        return self._gone and self._working is not None and self._working.uncancel() == 0

    def end(self) -> None:
        self._start.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _begin(self) -> None:
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        await _disconnected(self._receive)
        self._gone = True
        if self._working is not None:
            self._working.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
