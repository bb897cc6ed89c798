"""The relay: rings jobs again whose doorbell was lost, and ends those whose every attempt died."""

from collections.abc import Callable
from datetime import timedelta

import structlog

from app.config import Settings
from app.db.models import Job, utc_now
from app.db.repositories import artifacts, data_keys, deposits, idempotency, jobs
from app.db.session import Session, Sessions
from app.domain.ledger import Decision
from app.domain.lifecycle import DepositState, JobState, advance_deposit
from app.domain.rights import Caller
from app.services.record_decision import record_decision
from app.vault.vault import Vault

IDEMPOTENCY_LIFE = timedelta(days=2)

ENDED = {
    DepositState.FAILED: Decision.DEPOSIT_FAILED,
    DepositState.CANCELLED: Decision.DEPOSIT_CANCELLED,
}

log = structlog.get_logger(__name__)


def relay_jobs(sessions: Sessions, settings: Settings, ring: Callable[[str], None]) -> int:
    """Ring every job that waits unclaimed; return how many."""
    with sessions.read() as session:
        waiting = list(jobs.unclaimed(session, settings.relay_seconds))
    if not waiting:
        return 0
    with sessions.write() as session:
        lost = jobs.exhausted(session, settings.max_attempts)
        for job in lost:
            _give_up(session, job)
        waiting = [job_id for job_id in waiting if job_id not in {job.id for job in lost}]
        jobs.mark_rung(session, waiting)
    for job_id in waiting:
        ring(job_id)
    return len(waiting)


def sweep(vault: Vault, settings: Settings) -> int:
    """Delete what nothing refers to: unregistered uploads, data keys of broken deposits, old idempotency records."""
    before = utc_now() - timedelta(seconds=settings.sweep_after_seconds)
    with vault.key_store.read() as session:
        old_keys = set(data_keys.live_before(session, before))
    with vault.sessions.write() as session:
        idempotency.forget_older_than(session, utc_now() - IDEMPOTENCY_LIFE)
        swept = artifacts.delete_unreferenced(session, before=before)
        unused = old_keys - artifacts.data_keys_in_use(session)
    if unused:
        vault.destroy(*unused)
    vault.sessions.scrub()  # what a reader was in the way of before
    return swept


def _give_up(session: Session, job: Job) -> None:
    error = {
        "type": "/problems/worker-died",
        "title": "The worker died",
        "detail": f"The worker died in each of {job.attempts} attempts; memory is the usual reason.",
        "remedy": "Look at the worker's log, then ask for the job again with a smaller batch_size.",
    }
    if jobs.finish(session, job.id, job.fence, JobState.FAILED, error):
        end_deposits(session, job.id, DepositState.FAILED)
        log.error("job_given_up", job=job.id, attempts=job.attempts)


def end_deposits(session: Session, job_id: str, state: DepositState, caller: Caller | None = None) -> None:
    """Take the deposits of a job that ended without sealing to ``state``; ``caller`` if somebody cancelled it."""
    for deposit in deposits.of_job(session, job_id):
        deposit.state = advance_deposit(DepositState(deposit.state), state)
        record_decision(
            session, caller, ENDED[state], deposit.id, owner=deposit.owner_id, facts={"job": job_id}
        )
