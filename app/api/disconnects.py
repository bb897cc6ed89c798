"""Work for a client, as long as there is one: whoever hangs up gives their place in the queue back."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

Result = TypeVar("Result")

UNWATCHED_SECONDS = 0.02
"""Most work is done by then, and to watch its client would take longer than to finish for nobody."""


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of ``work``, which is cancelled when the client of ``request`` hangs up; its body was read before.

    Raises:
        ClientDisconnect: it did.
    """
    working = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({working}, timeout=UNWATCHED_SECONDS)
        if not done:
            await _until_done_or_gone(request, working)
        return working.result()
    finally:
        working.cancel()


async def _until_done_or_gone(request: Request, working: "asyncio.Future[Any]") -> None:
    leaving = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
    if not working.done():
        raise ClientDisconnect


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
