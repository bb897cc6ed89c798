"""Every error leaves as RFC 9457 ``application/problem+json``, with ``error`` for Open Inference Protocol clients.

Below ``/v2`` the same body is ``application/json``: KServe's client reads ``error`` from nothing else.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.db.session import AWAY
from app.domain.errors import Invalid, ServiceError, Unauthenticated, Unavailable
from app.lirf.errors import InvalidInputError

MEDIA_TYPE = "application/problem+json"
PLAIN_MEDIA_TYPE = "application/json"
PLAIN_BELOW = "/v2"

HUNG_UP = 499

DATABASE_SECONDS = 5
"""Until a database that was away may be back."""

SOURCES = {"body", "query", "path", "header"}

log = structlog.get_logger(__name__)


class Problem(BaseModel):
    """The body of every error."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    remedy: str | None = None
    error: str


def described(media_type: str) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of errors."""
    content = {media_type: {"schema": Problem.model_json_schema()}}
    return {
        "4XX": {"description": "The request was refused; nothing was changed.", "content": content},
        "5XX": {"description": "The service could not answer.", "content": content},
    }


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def install(app: FastAPI) -> None:
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(InvalidInputError, _invalid_input)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(ClientDisconnect, _hung_up)
    for kind in AWAY:
        app.add_exception_handler(kind, _database_away)
    app.add_exception_handler(Exception, _unexpected)


def problem(
    status: int,
    slug: str,
    title: str,
    detail: str,
    *,
    field: str | None = None,
    remedy: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    body = {"type": f"/problems/{slug}", "title": title, "status": status, "detail": detail}
    optional = {"field": field, "remedy": remedy or None}
    body |= {name: value for name, value in optional.items() if value is not None}
    body["error"] = f"{detail} {remedy}" if remedy else detail
    return JSONResponse(body, status, dict(headers or {}), MEDIA_TYPE)


async def _service_error(_request: Request, error: Exception) -> JSONResponse:
    return service_problem(cast("ServiceError", error))


def service_problem(error: ServiceError) -> JSONResponse:
    """What a refusal tells its caller."""
    headers = {"WWW-Authenticate": 'Bearer realm="lirf"'} if isinstance(error, Unauthenticated) else {}
    if error.retry_after is not None:
        headers = {"Retry-After": str(error.retry_after)}
    return problem(
        error.status,
        error.slug,
        error.title,
        error.detail,
        field=error.field,
        remedy=error.remedy,
        headers=headers,
    )


async def _database_away(request: Request, error: Exception) -> JSONResponse:
    log.error("database_away", path=request.url.path, exc_info=error)
    return service_problem(
        Unavailable(
            "The database does not answer.",
            "Ask again in some seconds; the service's log holds the error.",
            retry_after=DATABASE_SECONDS,
        )
    )


async def _invalid_input(_request: Request, error: Exception) -> JSONResponse:
    error = cast("InvalidInputError", error)
    return problem(
        Invalid.status, Invalid.slug, Invalid.title, error.problem, field=error.field, remedy=error.remedy
    )


async def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    return validation_problem(cast("RequestValidationError", error).errors())


def validation_problem(faults: Sequence[Any]) -> JSONResponse:
    """Tell the first fault in full and how many more there are; the value itself is not repeated."""
    first = faults[0]
    broken = first["type"] == "json_invalid"
    location = [] if broken else [str(part) for part in first["loc"] if part not in SOURCES]
    field = ".".join(location) or "body"
    more = f" ({len(faults) - 1} more like it.)" if len(faults) > 1 else ""
    return problem(
        Invalid.status,
        Invalid.slug,
        Invalid.title,
        f"{field}: {first['msg']}.{more}",
        field=field,
        remedy="Compare the request with /docs.",
    )


async def _http_exception(request: Request, error: Exception) -> JSONResponse:
    error = cast("HTTPException", error)
    headers = error.headers
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"Allow": ", ".join(_allowed(request))}
    title = HTTPStatus(error.status_code).phrase
    slug = title.lower().replace(" ", "-")
    return problem(error.status_code, slug, title, f"{error.detail}.".replace("..", "."), headers=headers)


def _allowed(request: Request) -> list[str]:
    """Every method that some route answers at the request's path; a route by itself tells only its own."""
    return [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.router.routes
        )
    ]


class PlainProblems:
    """Calls the errors below ``/v2`` plain JSON, whoever in here made them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_plain(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def plain(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type") == MEDIA_TYPE:
                    headers["content-type"] = PLAIN_MEDIA_TYPE
            await send(message)

        await self._app(scope, receive, plain)


def _is_plain(path: str) -> bool:
    return path == PLAIN_BELOW or path.startswith(f"{PLAIN_BELOW}/")


async def _hung_up(_request: Request, _error: Exception) -> Response:
    return hung_up()


def hung_up() -> Response:
    """Nobody reads it; it is counted under the status that proxies use for this."""
    return Response(status_code=HUNG_UP)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected_error", path=request.url.path, exc_info=error)
    answer = problem(
        500,
        "internal",
        "Internal error",
        "The service failed; nothing of the request was kept.",
        remedy="Try again; the service's log holds the error.",
    )
    if _is_plain(request.url.path):  # this one is sent from outside all middleware
        answer.headers["content-type"] = PLAIN_MEDIA_TYPE
    return answer
