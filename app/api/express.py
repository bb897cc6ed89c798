"""The express lane of ``POST /predict``: one small image, when everything that its answer needs is in memory.

What it does, the middleware and the route in `app.api.predict` do as well, by the same functions and with the same
answer; here it takes a fraction of the time, as nothing is looked up, parsed in general or handed from layer to layer.
Whatever is unusual about a request is left to them, which also word every refusal but those of a busy engine.
"""

import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl

import structlog
from pydantic_core import to_json
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.context import Context
from app.api.disconnects import while_connected
from app.api.instruments import Metrics
from app.api.middleware import RAW_REQUEST_ID, SECURITY_HEADERS, Gate, request_id
from app.api.predict import IMAGE_TYPES
from app.api.problems import hung_up, service_problem
from app.domain.errors import ServiceError, TooMany, Unauthenticated
from app.inference.decoder import SMALL_FILE
from app.inference.nets import Probabilities
from app.services.predict import EncodedImages, Entitlement, Prepared, prepare_at_once

PATH = "/predict"
DEFAULT_TOP_K = 5
MOST_CLASSES = 1000
LONGEST_NUMBER = len(str(MOST_CLASSES))
LONGEST_QUERY = 1024
"""Bytes; a longer one names no model."""

IMAGES = {name.encode() for name in IMAGE_TYPES}
BEARER = b"Bearer "
OK = 200

Header = tuple[bytes, bytes]

log = structlog.get_logger(__name__)


def _raw(headers: dict[str, str]) -> list[Header]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


HEADERS = _raw({**SECURITY_HEADERS, "Cache-Control": "private, no-store", "Content-Type": "application/json"})


class Query(NamedTuple):
    """Which model, and how many classes of the answer."""

    model: str
    top_k: int


class Asked(NamedTuple):
    """A plain prediction by one image, which is still to be received.

    Attributes:
        key: of the caller.
        request_id: that the client gave it, or None.
    """

    query: Query
    key: str
    request_id: bytes | None


class Express:
    """Answers plain predictions itself and passes everything else on.

    Args:
        app: answers what is passed on, middleware included.
        context: of the running application.
        gate: counts predictions that are worked on.
        metrics: count answers.
    """

    def __init__(self, app: ASGIApp, context: Callable[[], Context], gate: Gate, metrics: Metrics) -> None:
        self._app = app
        self._context = context
        self._gate = gate
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _asked(scope) if scope["type"] == "http" and scope["path"] == PATH else None
        if asked is None or self._gate.full:
            await self._app(scope, receive, send)
            return
        with self._gate:
            again = await self._unless_answered(asked, scope, receive, send)
        if again is not None:
            await self._app(scope, again, send)

    async def _unless_answered(
        self, asked: Asked, scope: Scope, receive: Receive, send: Send
    ) -> Receive | None:
        """None once the request is answered, else what is still to be received of it."""
        started = time.perf_counter()
        context = self._context()
        entitled = _entitled(context, scope, asked)
        if entitled is None:
            return receive
        read: list[Message] = []
        image = await _small_body(receive, read)
        prepared = (
            prepare_at_once(entitled, context.composer, EncodedImages(context.decoder, [image]))
            if image
            else None
        )
        if prepared is None:
            return _again(read, receive)
        named = [*HEADERS, (RAW_REQUEST_ID, request_id(asked.request_id).encode())]
        status, headers = OK, named
        try:
            answer = await while_connected(receive, _probabilities(context, prepared))
            (view,) = prepared.views(answer, asked.query.top_k)
            body = to_json(view)
        except ServiceError as refusal:
            told = service_problem(refusal)
            status, headers, body = told.status_code, _over(named, told.raw_headers), bytes(told.body)
        except ClientDisconnect:
            status, body = hung_up().status_code, b""
        except Exception:
            log.exception("express_failed")
            return _again(read, receive)  # the route tries once more, and tells what is wrong
        await _send(send, status, headers, body)
        self._metrics.answered("POST", PATH, status, time.perf_counter() - started)
        if status == OK:
            self._metrics.count_images(prepared.entitled.net, len(prepared.images))
        return None


def _asked(scope: Scope) -> Asked | None:
    """What a plain ``POST /predict?model=NAME&top_k=K`` with one image as its body asks for."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    if scope["method"] != "POST" or headers.get(b"content-type") not in IMAGES:
        return None
    key = _key(headers)
    text: bytes = scope["query_string"]
    query = _query(text) if len(text) <= LONGEST_QUERY else None
    if key is None or query is None or len(headers) < len(scope["headers"]):
        return None
    return Asked(query, key, headers.get(RAW_REQUEST_ID))


def _key(headers: dict[bytes, bytes]) -> str | None:
    """That entitles the caller, if it is given in exactly one way."""
    authorization, key = headers.get(b"authorization"), headers.get(b"x-api-key")
    if (authorization is None) == (key is None):
        return None
    if authorization is not None and authorization.startswith(BEARER):
        key = authorization.removeprefix(BEARER)
    return None if key is None else key.decode("latin-1")


@lru_cache(maxsize=1024)
def _query(text: bytes) -> Query | None:
    pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True)
    query = dict(pairs)
    top_k = query.pop("top_k", str(DEFAULT_TOP_K))
    model = query.pop("model", "")
    plain = (
        len(top_k) <= LONGEST_NUMBER
        and top_k.isascii()
        and top_k.isdigit()
        and 1 <= int(top_k) <= MOST_CLASSES
    )
    if query or not model or not plain or len({name for name, _ in pairs}) < len(pairs):
        return None
    return Query(model, int(top_k))


def _entitled(context: Context, scope: Scope, asked: Asked) -> Entitlement | None:
    """By which net the caller is answered, if caller and right are known."""
    try:
        context.failures.check(scope["client"][0] if scope.get("client") else "")
        caller = context.rights.known_caller(asked.key)
    except (TooMany, Unauthenticated):
        return None
    return None if caller is None else context.rights.known_entitlement(caller, asked.query.model)


async def _small_body(receive: Receive, read: list[Message]) -> bytes | None:
    """The body if it is whole and small; every message that was taken is in ``read`` afterwards."""
    body = b""
    while True:
        message = await receive()
        read.append(message)
        if message["type"] != "http.request":
            return None
        body += bytes(message.get("body", b""))
        if len(body) > SMALL_FILE:
            return None
        if not message.get("more_body", False):
            return body


def _again(read: list[Message], receive: Receive) -> Receive:
    """``receive`` that tells what was ``read`` once more first."""
    messages = iter(read)

    async def replayed() -> Message:
        message = next(messages, None)
        return await receive() if message is None else message

    return replayed


async def _probabilities(context: Context, prepared: Prepared) -> Probabilities:
    served = prepared.served
    with context.serving.statistics.request(served.model, served.version, time.perf_counter()):
        return await context.serving.probabilities(served, prepared.images)


def _over(headers: list[Header], own: list[Header]) -> list[Header]:
    """``headers`` with those of an answer's ``own`` in their place; the length is told with the body."""
    given = {name for name, _ in own}
    return [
        *(one for one in headers if one[0] not in given),
        *(one for one in own if one[0] != b"content-length"),
    ]


async def _send(send: Send, status: int, headers: list[Header], body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
