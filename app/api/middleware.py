"""Counts the bytes of request bodies as they arrive, whatever their headers claim."""

import contextlib
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import problem
from app.domain.errors import PayloadTooLarge


class BodyTooLargeError(Exception):
    """The body passed its limit; raised inside ``receive`` so that nothing works on half of it."""


class BodyLimit:
    """Answers 413 as problem+json once a body is longer than ``limit_of`` its path.

    Args:
        app: the application.
        limit_of: bytes allowed for a path.
    """

    def __init__(self, app: ASGIApp, limit_of: Callable[[str], int]) -> None:
        self._app = app
        self._limit_of = limit_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        seen = 0
        started = False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise BodyTooLargeError
            return message

        async def watched(message: Message) -> None:
            """Hold back whatever the application makes of the interruption."""
            nonlocal started
            if seen <= limit or started:
                started = True
                await send(message)

        if _claimed_length(scope) > limit:
            await _refuse(limit, scope, receive, send)
            return
        with contextlib.suppress(BodyTooLargeError):
            await self._app(scope, counted, watched)
        if seen > limit and not started:
            await _refuse(limit, scope, receive, send)


def _claimed_length(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


async def _refuse(limit: int, scope: Scope, receive: Receive, send: Send) -> None:
    answer = problem(
        PayloadTooLarge.status,
        PayloadTooLarge.slug,
        PayloadTooLarge.title,
        f"The body is longer than the {limit:,} bytes allowed here.",
        remedy="Send less at once; the operator sets the limits.",
        headers={"Connection": "close"},
    )
    await answer(scope, receive, send)
