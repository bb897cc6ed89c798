"""``/healthz`` and ``/readyz``: alive, and able to answer."""

import structlog
from fastapi import APIRouter
from pydantic import BaseModel

from app.api.dependencies import ContextDep
from app.domain.errors import Unavailable

router = APIRouter(tags=["operations"])
log = structlog.get_logger(__name__)


class Health(BaseModel):
    status: str


@router.get("/healthz")
def alive() -> Health:
    return Health(status="alive")


@router.get("/readyz")
def ready(context: ContextDep) -> Health:
    """Ready when the database answers; 503 otherwise."""
    try:
        context.sessions.ping()
    except Exception as error:
        log.warning("database_unreachable", error=str(error))
        raise Unavailable("The database does not answer.", "Try again in a few seconds.") from error
    return Health(status="ready")
