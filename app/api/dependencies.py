"""What routes ask for: the shared context, the caller, a page, a repeatable POST."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from app.api.context import Context
from app.domain.errors import Unauthenticated
from app.domain.rights import Caller
from app.services.authenticate import authenticate
from app.services.idempotency import Repeatable, fingerprint

bearer = HTTPBearer(auto_error=False, description="`lirf_<id>_<secret>`")
api_key = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="The same key, for clients without Bearer."
)


async def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


ContextDep = Annotated[Context, Depends(_context)]


async def _presented_key(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
    header: Annotated[str | None, Security(api_key)],
) -> str | None:
    return credentials.credentials if credentials else header


KeyDep = Annotated[str | None, Depends(_presented_key)]


async def _caller(request: Request, context: ContextDep, key: KeyDep) -> Caller:
    with _counting_failures(request, context):
        return await run_in_threadpool(authenticate, context.sessions, key)


async def _served_caller(request: Request, context: ContextDep, key: KeyDep) -> Caller:
    with _counting_failures(request, context):
        known = context.rights.known_caller(key)
        return known if known is not None else await run_in_threadpool(context.rights.caller, key)


@contextmanager
def _counting_failures(request: Request, context: Context) -> Iterator[None]:
    address = request.client.host if request.client else ""
    context.failures.check(address)
    try:
        yield
    except Unauthenticated:
        context.failures.failed(address)
        raise


CallerDep = Annotated[Caller, Depends(_caller)]

ServedCallerDep = Annotated[Caller, Depends(_served_caller)]
"""For predictions: known from memory, so that another process's revocation of the key counts within a second."""


@dataclass(frozen=True)
class Page:
    """Keyset pagination: ask for what comes ``after`` the last id of the page before."""

    limit: Annotated[int, Query(ge=1, le=1000, description="Most items to return.")] = 100
    after: Annotated[str | None, Query(max_length=100, description="The last id of the page before.")] = None


PageDep = Annotated[Page, Depends()]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="A repeat with the same key and body gets the first answer; another body is refused.",
    ),
]


def repeatable(route: str, key: str | None, *body: Any) -> Repeatable:
    """Name a POST for `create_once`; without a key nothing needs a digest."""
    return Repeatable(route, key, fingerprint(*body) if key else "")


def created(answer: dict[str, Any], location: str) -> JSONResponse:
    return JSONResponse(answer, 201, {"Location": location})


def accepted(answer: dict[str, Any], job_id: str) -> JSONResponse:
    """202: the work goes on; look again at ``/jobs/{id}`` after two seconds."""
    return JSONResponse(answer, 202, {"Location": f"/jobs/{job_id}", "Retry-After": "2"})
