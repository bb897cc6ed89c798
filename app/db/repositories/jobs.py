"""The queue: claim, heartbeat, finish. Only the database's clock counts, and every write names its fence."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Double, and_, exists, func, or_, select, type_coerce, update
from sqlalchemy.orm import Session, aliased

from app.db.clock import now_epoch
from app.db.models import Job, utc_now
from app.domain.lifecycle import JobState

OPEN = (JobState.QUEUED, JobState.RUNNING)
LONGEST_SILENCE = 300.0
"""Seconds after which a waiting job is rung in any case, however often that was in vain."""


def get(session: Session, job_id: str) -> Job | None:
    return session.scalar(select(Job).where(Job.id == job_id))


def page(session: Session, owner_id: str | None, limit: int, after: str | None) -> Sequence[Job]:
    """Jobs, newest first; of one owner, or of all if ``owner_id`` is None."""
    statement = select(Job).order_by(Job.seq.desc()).limit(limit)
    if owner_id is not None:
        statement = statement.where(Job.owner_id == owner_id)
    if after is not None:
        statement = statement.where(Job.seq < select(Job.seq).where(Job.id == after).scalar_subquery())
    return session.scalars(statement).all()


def claim(session: Session, job_id: str, lease_seconds: float, max_attempts: int) -> int | None:
    """Win the job and return its new fence, or None.

    A job can be won when it is queued, or running under a lapsed lease, and no earlier job of its model is open:
    deposits from one model happen in the order in which they were asked for.
    """
    statement = (
        update(Job)
        .where(
            Job.id == job_id,
            or_(Job.state == JobState.QUEUED, _lapsed()),
            Job.attempts < max_attempts,
            _first_of_model(),
        )
        .values(
            state=JobState.RUNNING,
            fence=Job.fence + 1,
            attempts=Job.attempts + 1,
            lease_until=now_epoch() + lease_seconds,
            started_at=now_epoch(),
        )
        .returning(Job.fence)
        .execution_options(synchronize_session=False)
    )
    return session.scalar(statement)


def heartbeat(
    session: Session, job_id: str, fence: int, lease_seconds: float, progress: dict[str, Any]
) -> bool | None:
    """Prolong the lease. True if a cancel was asked for, False if not, None if the claim was lost."""
    return session.scalar(
        update(Job)
        .where(Job.id == job_id, Job.fence == fence, Job.state == JobState.RUNNING)
        .values(lease_until=now_epoch() + lease_seconds, progress=progress)
        .returning(Job.cancel_requested)
        .execution_options(synchronize_session=False)
    )


def finish(
    session: Session, job_id: str, fence: int, state: JobState, error: dict[str, Any] | None = None
) -> bool:
    """End a running job if the claim still holds; the rest of the transaction must depend on the answer."""
    ended = session.scalar(
        update(Job)
        .where(Job.id == job_id, Job.fence == fence, Job.state == JobState.RUNNING)
        .values(state=state, error=error, ended_at=utc_now(), lease_until=None)
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    return ended is not None


def cancel_queued(session: Session, job_id: str) -> bool:
    """Cancel the job if nobody has claimed it yet."""
    cancelled = session.scalar(
        update(Job)
        .where(Job.id == job_id, Job.state == JobState.QUEUED)
        .values(state=JobState.CANCELLED, ended_at=utc_now(), cancel_requested=True)
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )
    return cancelled is not None


def request_cancel(session: Session, job_id: str) -> None:
    session.execute(
        update(Job)
        .where(Job.id == job_id, Job.state == JobState.RUNNING)
        .values(cancel_requested=True)
        .execution_options(synchronize_session=False)
    )


def unclaimed(session: Session, older_than_seconds: float, limit: int = 100) -> Sequence[str]:
    """Ids of jobs whose doorbell seems lost: claimable, and not rung lately.

    Every ring in vain costs a worker the start of a process, so the silence between two rings doubles while a
    job waits for a busy worker, up to LONGEST_SILENCE.
    """
    now, rung = now_epoch(), type_coerce(Job.rung_at, Double)
    waits_since = type_coerce(func.coalesce(Job.lease_until, Job.created_at), Double)
    return session.scalars(
        select(Job.id)
        .where(
            or_(Job.state == JobState.QUEUED, _lapsed()),
            _first_of_model(),
            rung < now - older_than_seconds,
            or_(rung - waits_since < now - rung, rung < now - LONGEST_SILENCE),
        )
        .order_by(Job.seq)
        .limit(limit)
    ).all()


def mark_rung(session: Session, job_ids: Sequence[str]) -> None:
    session.execute(
        update(Job)
        .where(Job.id.in_(job_ids))
        .values(rung_at=now_epoch())
        .execution_options(synchronize_session=False)
    )


def exhausted(session: Session, max_attempts: int) -> Sequence[Job]:
    """Jobs whose every attempt ended without a word: the worker died each time."""
    return session.scalars(select(Job).where(_lapsed(), Job.attempts >= max_attempts)).all()


def count_by_state(session: Session) -> dict[str, int]:
    rows = session.execute(select(Job.state, func.count()).group_by(Job.state))
    return {state: count for state, count in rows}  # noqa: C416  a Row is a tuple, but not to the type checker


def next_of_model(session: Session, model_id: str) -> str | None:
    return session.scalar(
        select(Job.id)
        .where(Job.model_id == model_id, Job.state == JobState.QUEUED)
        .order_by(Job.seq)
        .limit(1)
    )


def _lapsed() -> ColumnElement[bool]:
    return and_(Job.state == JobState.RUNNING, Job.lease_until < now_epoch())


def _first_of_model() -> ColumnElement[bool]:
    """No earlier job of the same model is open."""
    earlier = aliased(Job)
    return ~exists().where(earlier.model_id == Job.model_id, earlier.seq < Job.seq, earlier.state.in_(OPEN))
