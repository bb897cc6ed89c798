"""What a worker does when the doorbell rings: win the claim, do the work, end the job whatever happens."""

from collections.abc import Callable
from typing import Any

import structlog

from app import traces
from app.config import Settings
from app.db.models import Job
from app.db.repositories import jobs
from app.db.session import Sessions
from app.domain.errors import ServiceError
from app.domain.lifecycle import DepositState, JobKind, JobState
from app.inference.compute import Compute, choose_compute
from app.lirf.errors import InvalidInputError
from app.services.claim import CancelledError, Claim, ClaimLostError
from app.services.relay_jobs import end_deposits
from app.services.run_audit import run_audit
from app.services.run_deposit import run_deposit
from app.services.run_training import run_training
from app.vault.vault import Vault

log = structlog.get_logger(__name__)

HANDLERS: dict[JobKind, Callable[[Vault, Job, Claim, Compute], None]] = {
    JobKind.TRAIN: run_training,
    JobKind.DEPOSIT: run_deposit,
    JobKind.AUDIT: run_audit,
}


def run_job(vault: Vault, settings: Settings, job_id: str) -> str | None:
    """Run the job if it can be claimed; return the id of its model's next queued job, which wants a ring."""
    sessions = vault.sessions
    with sessions.write() as session:
        fence = jobs.claim(session, job_id, settings.lease_seconds, settings.max_attempts)
    if fence is None:
        log.info("job_not_claimed", job=job_id)
        return None
    with sessions.read() as session:
        job = jobs.get(session, job_id)
    if job is None:
        raise LookupError(f"job {job_id} was claimed but does not exist")
    claim = Claim(
        sessions,
        job_id,
        fence,
        lease_seconds=settings.lease_seconds,
        every_seconds=settings.heartbeat_seconds,
    )
    log.info("job_claimed", job=job_id, kind=job.kind, fence=fence, attempt=job.attempts)
    _work(vault, settings, job, claim)
    with sessions.read() as session:
        return jobs.next_of_model(session, job.model_id)


def _work(vault: Vault, settings: Settings, job: Job, claim: Claim) -> None:
    try:
        with traces.span(f"{job.kind} job", ordered=True, job=job.id, attempt=job.attempts):
            HANDLERS[JobKind(job.kind)](vault, job, claim, choose_compute(settings.device, settings.threads))
        log.info("job_succeeded", job=job.id)
    except ClaimLostError:
        log.warning("claim_lost", job=job.id, fence=claim.fence)
    except CancelledError:
        _end(vault.sessions, claim, JobState.CANCELLED, DepositState.CANCELLED, None)
    except (InvalidInputError, ServiceError) as error:
        _end(vault.sessions, claim, JobState.FAILED, DepositState.FAILED, _refusal(error))
    except Exception as error:
        log.exception("job_failed", job=job.id)
        _end(vault.sessions, claim, JobState.FAILED, DepositState.FAILED, _failure(error))


def _end(
    sessions: Sessions, claim: Claim, state: JobState, deposits: DepositState, error: dict[str, Any] | None
) -> None:
    with sessions.write() as session:
        if jobs.finish(session, claim.job_id, claim.fence, state, error):
            end_deposits(session, claim.job_id, deposits)
    log.info("job_ended", job=claim.job_id, state=state, error=error)


def _refusal(error: InvalidInputError | ServiceError) -> dict[str, Any]:
    detail = error.problem if isinstance(error, InvalidInputError) else error.detail
    return {
        "type": "/problems/invalid-input",
        "title": "The job's input cannot be used",
        "detail": detail,
        "field": error.field,
        "remedy": error.remedy,
    }


def _failure(error: Exception) -> dict[str, Any]:
    """Only the kind of the error is told: its text may hold paths or data."""
    return {
        "type": "/problems/internal",
        "title": "The job failed",
        "detail": f"An unexpected {type(error).__name__} ended the job.",
        "remedy": "The worker's log holds the whole error under this job's id; nothing of the model was changed.",
    }
