"""A worker's hold on a job: it lasts while steps advance, and nothing is committed without it."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from app.db.repositories import jobs
from app.db.session import Session, Sessions
from app.domain.lifecycle import JobState
from app.lirf.config import Progress


class ClaimLostError(Exception):
    """Another worker holds the job now; whatever was computed must not be written."""


class CancelledError(Exception):
    """The job's owner asked for its end."""


class Claim:
    """Reports progress, which prolongs the lease: a worker that hangs between steps loses its claim.

    Attributes:
        job_id: the job.
        fence: this claim's number; every write of the job's outcome names it.
    """

    def __init__(
        self,
        sessions: Sessions,
        job_id: str,
        fence: int,
        *,
        lease_seconds: float,
        every_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.job_id = job_id
        self.fence = fence
        self._sessions = sessions
        self._lease_seconds = lease_seconds
        self._every_seconds = every_seconds
        self._clock = clock
        self._started = clock()
        self._reported = float("-inf")

    def step(self, progress: Progress) -> None:
        """Tell how far training is; written at most every ``every_seconds`` and at the last step.

        Raises:
            CancelledError: if a cancel was asked for.
            ClaimLostError: if the lease lapsed and the job was taken.
        """
        if self._clock() - self._reported < self._every_seconds and progress.step < progress.steps:
            return
        if progress.step == 1:
            self._started = self._clock()
        elapsed = self._clock() - self._started
        remaining = elapsed / max(progress.step - 1, 1) * (progress.steps - progress.step)
        self._report({"phase": "training", **asdict(progress), "eta_seconds": round(remaining, 1)})

    def phase(self, name: str) -> None:
        """Tell that a phase without steps begins (``loading``, ``evaluating``, ``sealing``)."""
        self._report({"phase": name})

    def succeed(self, session: Session) -> None:
        """End the job in ``session``'s transaction; raise ClaimLostError, and so roll back, if the claim is gone."""
        if not jobs.finish(session, self.job_id, self.fence, JobState.SUCCEEDED):
            raise ClaimLostError(self.job_id)

    def _report(self, progress: dict[str, Any]) -> None:
        self._reported = self._clock()
        with self._sessions.write() as session:
            cancel = jobs.heartbeat(session, self.job_id, self.fence, self._lease_seconds, progress)
        if cancel is None:
            raise ClaimLostError(self.job_id)
        if cancel:
            raise CancelledError(self.job_id)
