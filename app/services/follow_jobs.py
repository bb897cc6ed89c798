"""Look at jobs, follow their progress, cancel them."""

from app.db.models import Job
from app.db.repositories import deposits, jobs
from app.db.session import Session, Sessions
from app.domain.errors import Conflict, NotFound
from app.domain.lifecycle import JOB_ENDED, DepositState, JobKind, JobState
from app.domain.rights import Action, Caller, Role
from app.services.describe_rows import job_view
from app.services.find import find_deposit, find_job, find_model
from app.services.relay_jobs import end_deposits
from app.services.views import JobView


def show_job(sessions: Sessions, caller: Caller, job_id: str) -> JobView:
    with sessions.read() as session:
        return _view(session, find_job(session, caller, job_id, Action.READ_JOB))


def list_jobs(sessions: Sessions, caller: Caller, limit: int, after: str | None) -> list[JobView]:
    """The caller's jobs, newest first; all of them for an admin."""
    owner = None if caller.role is Role.ADMIN else caller.principal_id
    with sessions.read() as session:
        return [_view(session, job) for job in jobs.page(session, owner, limit, after)]


def cancel_job(sessions: Sessions, caller: Caller, job_id: str) -> JobView:
    """Cancel at once if queued; ask the worker to stop at its next step if running.

    Raises:
        Conflict: if the job has ended.
    """
    with sessions.write() as session:
        job = find_job(session, caller, job_id, Action.CANCEL_JOB)
        if JobState(job.state) in JOB_ENDED:
            raise Conflict(f"Job {job_id} has ended: {job.state}.", "There is nothing left to cancel.", "job")
        if jobs.cancel_queued(session, job_id):
            end_deposits(session, job_id, DepositState.CANCELLED, caller)
        else:
            jobs.request_cancel(session, job_id)
        session.refresh(job)
        return _view(session, job)


def job_of_deposit(sessions: Sessions, caller: Caller, deposit_id: str) -> str:
    with sessions.read() as session:
        return find_deposit(session, caller, deposit_id, Action.READ_DEPOSIT).job_id


def look_again(sessions: Sessions, job_id: str) -> JobView:
    """The job as it is now, for a follower whose right to it was checked when it began to follow."""
    with sessions.read() as session:
        job = jobs.get(session, job_id)
        if job is None:
            raise NotFound(f"There is no job {job_id!r}.", "List jobs with GET /jobs.", "job")
        return _view(session, job)


def _view(session: Session, job: Job) -> JobView:
    model = find_model(session, job.model_id)
    audited = [job.payload["deposit"]] if job.kind == JobKind.AUDIT else []
    return job_view(job, model.name, audited or [deposit.id for deposit in deposits.of_job(session, job.id)])
