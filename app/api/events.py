"""A job's course as server-sent events."""

from collections.abc import AsyncIterator

import anyio
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import ServerSentEvent

from app.api.context import Context
from app.domain.lifecycle import JOB_ENDED, JobState
from app.services.follow_jobs import look_again
from app.services.views import JobView

LOOK_EVERY_SECONDS = 0.5


async def job_events(context: Context, job_id: str) -> AsyncIterator[ServerSentEvent]:
    """Yield ``progress`` whenever the job changed and ``end`` when it has ended."""
    before: JobView | None = None
    while True:
        now = await run_in_threadpool(look_again, context.sessions, job_id)
        ended = JobState(now.state) in JOB_ENDED
        if ended:
            await run_in_threadpool(context.rights.look)  # who is told that it ended is answered accordingly
        if now != before:
            yield ServerSentEvent(data=now, event="end" if ended else "progress")
        if ended:
            return
        before = now
        await anyio.sleep(LOOK_EVERY_SECONDS)
