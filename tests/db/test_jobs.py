"""The queue on both databases: one claim at a time, guarded by lease and fence."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from app.db.models import Job, utc_now
from app.db.repositories import jobs
from app.db.session import Sessions
from app.domain.lifecycle import JobState

MakeRow = Callable[..., str]

LEASE = 60.0
LAPSED = -1.0
MOST = 3
RELAY = 10.0


def claim(sessions: Sessions, job: str, lease: float = LEASE) -> int | None:
    with sessions.write() as session:
        return jobs.claim(session, job, lease, MOST)


def finish(sessions: Sessions, job: str, fence: int, state: JobState = JobState.SUCCEEDED) -> bool:
    with sessions.write() as session:
        return jobs.finish(session, job, fence, state)


def look(sessions: Sessions, job: str) -> Job:
    with sessions.read() as session:
        row = jobs.get(session, job)
        assert row is not None
        return row


@pytest.fixture
def job(make_job: MakeRow, make_model: MakeRow) -> str:
    return make_job(make_model())


def test_only_one_of_many_racing_workers_wins_each_job(
    sessions: Sessions, make_job: MakeRow, make_model: MakeRow
) -> None:
    raced = [make_job(make_model()) for _ in range(5)]
    racers = 6
    start = threading.Barrier(racers)

    def race(_: int) -> list[int | None]:
        start.wait()
        return [claim(sessions, job) for job in raced]

    with ThreadPoolExecutor(racers) as pool:
        outcomes = list(pool.map(race, range(racers)))
    for fences in zip(*outcomes, strict=True):
        assert sorted(fence for fence in fences if fence is not None) == [1]


def test_a_claim_makes_the_job_run_under_a_lease(sessions: Sessions, job: str) -> None:
    assert claim(sessions, job) == 1
    row = look(sessions, job)
    assert row.state == JobState.RUNNING
    assert row.attempts == 1
    assert row.started_at is not None
    assert row.lease_until is not None
    assert LEASE - 20 < (row.lease_until - datetime.now(UTC)).total_seconds() < LEASE + 20


def test_a_job_under_a_live_lease_cannot_be_claimed(sessions: Sessions, job: str) -> None:
    claim(sessions, job)
    assert claim(sessions, job) is None


def test_a_lapsed_lease_can_be_taken_over_and_the_fence_rises(sessions: Sessions, job: str) -> None:
    assert claim(sessions, job, LAPSED) == 1
    assert claim(sessions, job) == 2
    assert look(sessions, job).attempts == 2


def test_a_stale_fence_commits_nothing(sessions: Sessions, job: str) -> None:
    stale = claim(sessions, job, LAPSED)
    live = claim(sessions, job)
    assert stale is not None
    assert live is not None
    assert not finish(sessions, job, stale)
    assert look(sessions, job).state == JobState.RUNNING
    assert finish(sessions, job, live)
    assert look(sessions, job).state == JobState.SUCCEEDED


def test_a_stale_fence_cannot_prolong_the_lease(sessions: Sessions, job: str) -> None:
    claim(sessions, job, LAPSED)
    claim(sessions, job)
    with sessions.write() as session:
        assert jobs.heartbeat(session, job, 1, LEASE, {"phase": "stale"}) is None
    assert look(sessions, job).progress is None


def test_a_job_ends_once(sessions: Sessions, job: str) -> None:
    fence = claim(sessions, job)
    assert fence is not None
    assert finish(sessions, job, fence, JobState.FAILED)
    assert not finish(sessions, job, fence, JobState.SUCCEEDED)
    row = look(sessions, job)
    assert row.state == JobState.FAILED
    assert row.ended_at is not None
    assert row.lease_until is None
    assert claim(sessions, job) is None


def test_jobs_of_one_model_run_in_the_order_in_which_they_were_asked_for(
    sessions: Sessions, make_job: MakeRow, make_model: MakeRow
) -> None:
    model = make_model()
    first, second = make_job(model), make_job(model)
    assert claim(sessions, second) is None
    fence = claim(sessions, first)
    assert fence is not None
    assert claim(sessions, second) is None
    with sessions.read() as session:
        assert jobs.next_of_model(session, model) == second
    finish(sessions, first, fence)
    assert claim(sessions, second) == 1


def test_jobs_of_two_models_do_not_wait_for_each_other(
    sessions: Sessions, make_job: MakeRow, make_model: MakeRow
) -> None:
    first, second = make_job(make_model()), make_job(make_model())
    assert claim(sessions, second) == 1
    assert claim(sessions, first) == 1


def test_a_heartbeat_prolongs_the_lease_and_keeps_the_progress(sessions: Sessions, job: str) -> None:
    claim(sessions, job, LAPSED)
    with sessions.write() as session:
        assert jobs.heartbeat(session, job, 1, LEASE, {"step": 3}) is False
    assert look(sessions, job).progress == {"step": 3}
    assert claim(sessions, job) is None


def test_a_heartbeat_tells_of_a_cancel(sessions: Sessions, job: str) -> None:
    claim(sessions, job)
    with sessions.write() as session:
        jobs.request_cancel(session, job)
    with sessions.write() as session:
        assert jobs.heartbeat(session, job, 1, LEASE, {}) is True


def test_only_a_queued_job_is_cancelled_at_once(
    sessions: Sessions, make_job: MakeRow, make_model: MakeRow
) -> None:
    queued, running = make_job(make_model()), make_job(make_model())
    claim(sessions, running)
    with sessions.write() as session:
        assert jobs.cancel_queued(session, queued)
        assert not jobs.cancel_queued(session, running)
    assert look(sessions, queued).state == JobState.CANCELLED
    assert claim(sessions, queued) is None


def test_no_job_is_claimed_more_often_than_allowed(sessions: Sessions, job: str) -> None:
    assert [claim(sessions, job, LAPSED) for _ in range(MOST + 1)] == [1, 2, 3, None]
    with sessions.read() as session:
        assert [row.id for row in jobs.exhausted(session, MOST)] == [job]


def test_a_last_attempt_that_still_holds_its_lease_is_not_exhausted(sessions: Sessions, job: str) -> None:
    for lease in (LAPSED, LAPSED, LEASE):
        claim(sessions, job, lease)
    with sessions.read() as session:
        assert jobs.exhausted(session, MOST) == []


class TestLostDoorbells:
    def unclaimed(self, sessions: Sessions) -> list[str]:
        with sessions.read() as session:
            return list(jobs.unclaimed(session, RELAY))

    def rung(self, sessions: Sessions, job: str, ago: float, *, created: float) -> None:
        with sessions.write() as session:
            row = jobs.get(session, job)
            assert row is not None
            row.rung_at = utc_now() - timedelta(seconds=ago)
            row.created_at = utc_now() - timedelta(seconds=created)

    def test_a_queued_job_that_was_not_rung_lately_is_unclaimed(self, sessions: Sessions, job: str) -> None:
        assert self.unclaimed(sessions) == [job]
        with sessions.write() as session:
            jobs.mark_rung(session, [job])
        assert self.unclaimed(sessions) == []

    def test_a_running_job_is_unclaimed_once_its_lease_lapsed(self, sessions: Sessions, job: str) -> None:
        claim(sessions, job)
        assert self.unclaimed(sessions) == []
        with sessions.write() as session:
            jobs.heartbeat(session, job, 1, LAPSED, {})
        assert self.unclaimed(sessions) == [job]

    def test_a_job_behind_another_of_its_model_is_not_rung(
        self, sessions: Sessions, make_job: MakeRow, make_model: MakeRow
    ) -> None:
        model = make_model()
        first, _second = make_job(model), make_job(model)
        assert self.unclaimed(sessions) == [first]

    @pytest.mark.parametrize(
        ("ago", "created", "due"),
        [
            (11, 11, True),
            (9, 9, False),
            (11, 30, False),
            (21, 40, True),
            (200, 1000, False),
            (301, 100_000, True),
        ],
    )
    def test_the_silence_doubles_while_a_job_waits_up_to_five_minutes(
        self, sessions: Sessions, job: str, *, ago: float, created: float, due: bool
    ) -> None:
        self.rung(sessions, job, ago, created=created)
        assert self.unclaimed(sessions) == ([job] if due else [])
