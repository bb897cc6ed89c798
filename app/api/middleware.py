"""Names every request, guards every answer, and counts the bytes of bodies as they arrive, whatever is claimed."""

import contextlib
import random
import re
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from app.api.problems import problem
from app.domain.errors import PayloadTooLarge, TooMany

REQUEST_ID_HEADER = "X-Request-ID"
RAW_REQUEST_ID = REQUEST_ID_HEADER.lower().encode()
_USABLE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_chance = random.Random()  # an id is no secret: the system is not asked for each


def request_id(given: bytes | None) -> str:
    """The id that the client gave the request, if it is usable, or a new one."""
    text = given.decode("latin-1") if given else ""
    return text if _USABLE_ID.fullmatch(text) else f"req_{_chance.getrandbits(80):020x}"


class RequestId:
    """Takes the request's id from ``X-Request-ID`` or makes one; logs, ledger and answer carry it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = (value for name, value in scope["headers"] if name == RAW_REQUEST_ID)
        name = request_id(next(given, None))

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = name
            await send(message)

        with bound_contextvars(request_id=name):
            await self._app(scope, receive, named)


SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
PREDICTIONS = ("/predict", "/v2/models/")
TELLING = ("/jobs", "/deposits", "/models")
SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}
PAGES = ("/docs", "/redoc")
"""The pages that FastAPI serves to people load scripts and styles, so they go without the last one."""


class SecurityHeaders:
    """Adds the headers that keep answers from being guessed at, framed or kept, where a route has not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        page = scope["path"].startswith(PAGES)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    if not (page and name == "Content-Security-Policy"):
                        headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, guarded)


class AfterDecisions:
    """Has predictions answered in line with what a caller has just been told by this process.

    Before the answer to a request that may have changed something is sent, ``decided`` is called; before one that tells
    what a worker or another process did, such as that a deposit is sealed, ``look``.

    Args:
        app: the application.
        decided: forgets what was known of rights.
        look: does so if something was decided elsewhere; it may take the time of a query.
    """

    def __init__(self, app: ASGIApp, decided: Callable[[], None], look: Callable[[], None]) -> None:
        self._app = app
        self._decided = decided
        self._look = look

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(PREDICTIONS):
            await self._app(scope, receive, send)
            return
        tells = scope["path"].startswith(TELLING)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                if scope["method"] not in SAFE:
                    self._decided()
                elif tells:
                    await run_in_threadpool(self._look)
            await send(message)

        await self._app(scope, receive, told)


class Gate:
    """Counts predictions that are being worked on, by whichever way; belongs to one event loop.

    Args:
        most: predictions at once.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._inside = 0

    @property
    def full(self) -> bool:
        return self._inside >= self.most

    def __enter__(self) -> None:
        self._inside += 1

    def __exit__(self, *_: object) -> None:
        self._inside -= 1


class Admission:
    """Turns predictions away, before anything of them is read, while the gate is full.

    Args:
        app: the application.
        gate: of all predictions.
        reject: called with the reason of each refusal.
    """

    RETRY_AFTER_SECONDS = 1

    def __init__(self, app: ASGIApp, gate: Gate, reject: Callable[[str], None]) -> None:
        self._app = app
        self._gate = gate
        self._reject = reject

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREDICTIONS):
            await self._app(scope, receive, send)
        elif self._gate.full:
            self._reject("too_many_at_once")
            await self._refuse(scope, receive, send)
        else:
            with self._gate:
                await self._app(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = problem(
            TooMany.status,
            TooMany.slug,
            TooMany.title,
            f"{self._gate.most} predictions are being worked on.",
            remedy="Ask again in a second, or less at once.",
            headers={"Retry-After": str(self.RETRY_AFTER_SECONDS)},
        )
        await answer(scope, receive, send)


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
