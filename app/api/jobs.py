"""``/jobs``: follow and cancel long work."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.api.dependencies import CallerDep, ContextDep, PageDep
from app.api.events import job_events
from app.services.follow_jobs import cancel_job, list_jobs, show_job
from app.services.views import JobView

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.get("")
def get_jobs(context: ContextDep, caller: CallerDep, page: PageDep) -> list[JobView]:
    """The caller's jobs, newest first."""
    return list_jobs(context.sessions, caller, page.limit, page.after)


@router.get("/{job_id}")
def get_job(job_id: str, context: ContextDep, caller: CallerDep) -> JobView:
    return show_job(context.sessions, caller, job_id)


@router.delete("/{job_id}")
def delete_job(job_id: str, context: ContextDep, caller: CallerDep) -> JobView:
    """Ask for the job's end: at once if queued, at its next step if running."""
    return cancel_job(context.sessions, caller, job_id)


def _readable_job(job_id: str, context: ContextDep, caller: CallerDep) -> str:
    return show_job(context.sessions, caller, job_id).id


@router.get("/{job_id}/events", response_class=EventSourceResponse)
async def get_job_events(
    context: ContextDep, job_id: Annotated[str, Depends(_readable_job)]
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: ``progress`` whenever the job changed, then ``end`` with its last state."""
    async for event in job_events(context, job_id):
        yield event
