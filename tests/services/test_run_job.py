"""What a worker does with a job: success in one transaction, and every other end without a trace."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import torch
from sqlalchemy import update

from app.config import Settings
from app.db.models import ArtifactChunk, Deposit, Job, Model
from app.db.repositories import artifacts, deposits, jobs
from app.db.session import Sessions
from app.domain.lifecycle import DepositState, JobState
from app.domain.rights import Caller
from app.lirf.config import Progress
from app.lirf.data.selection import Selection
from app.lirf.data.source import open_source
from app.lirf.deposit import DepositResult
from app.lirf.retain import RetainSet
from app.services import run_deposit
from app.services import run_job as worker
from app.services.claim import CancelledError, Claim, ClaimLostError
from app.services.follow_jobs import cancel_job
from app.services.register_model import ModelOrder, TrainOrder, prepare_model, register_model
from app.services.relay_jobs import relay_jobs
from app.services.run_job import run_job
from app.services.views import AcceptedView
from app.vault.vault import Vault

AskDeposit = Callable[..., AcceptedView]

LAPSED = -1.0


def look(sessions: Sessions, job: str) -> tuple[Job, Deposit, Model]:
    with sessions.read() as session:
        row = jobs.get(session, job)
        assert row is not None
        (deposit,) = deposits.of_job(session, job)
        _ = deposit.modules
        return row, deposit, session.get_one(Model, row.model_id)


def assert_nothing_happened(sessions: Sessions, job: str) -> None:
    _, deposit, model = look(sessions, job)
    assert model.current == 1
    assert deposit.modules == []
    assert deposit.target_version is None


def test_a_deposit_seals_its_module_and_moves_the_model_on(
    vault: Vault, sqlite_sessions: Sessions, settings: Settings, ask_deposit: AskDeposit
) -> None:
    accepted = ask_deposit("3", "8")
    assert run_job(vault, settings, accepted.job) is None
    job, deposit, model = look(sqlite_sessions, accepted.job)
    assert job.state == JobState.SUCCEEDED
    assert (deposit.state, deposit.base_version, deposit.target_version) == (DepositState.SEALED, 1, 2)
    assert deposit.metrics is not None
    assert model.current == 2
    with sqlite_sessions.read() as session:
        (module,) = deposit.modules
        assert module.digest is not None
        assert artifacts.find(session, module.digest) is not None


@pytest.mark.parametrize("test_set", ["named", "none"])
def test_metrics_say_how_many_kept_images_training_used(
    vault: Vault, sqlite_sessions: Sessions, settings: Settings, ask_deposit: AskDeposit, test_set: str
) -> None:
    evaluate = test_set == "named"
    digits = open_source("digits", "test")
    kept = [name for name, label in zip(digits.ids, digits.labels.tolist(), strict=True) if label == 5]
    used = ask_deposit("3", retain=Selection(ids=tuple(kept[:7])), evaluate=evaluate)
    plain = ask_deposit("8", evaluate=evaluate)
    for accepted, told in ((used, {"samples": 7}), (plain, None)):
        run_job(vault, settings, accepted.job)
        job, deposit, _ = look(sqlite_sessions, accepted.job)
        assert job.state == JobState.SUCCEEDED
        assert deposit.metrics is not None
        assert deposit.metrics["retain"] == told
        assert ("target" in deposit.metrics) is evaluate


def test_training_is_given_the_kept_images_that_were_named(
    vault: Vault, settings: Settings, ask_deposit: AskDeposit, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = open_source("digits", "test")
    rows = [row for row, label in enumerate(digits.labels.tolist()) if label == 5][:7]
    given: list[RetainSet | None] = []
    really = run_deposit.deposit

    def watched(*arguments: Any, **options: Any) -> DepositResult:
        given.append(options["retain"])
        return really(*arguments, **options)

    monkeypatch.setattr(run_deposit, "deposit", watched)
    retain = Selection(ids=tuple(digits.ids[row] for row in rows))
    run_job(vault, settings, ask_deposit("3", retain=retain).job)
    (retained,) = given
    assert retained is not None
    assert torch.equal(retained.images, digits.images[rows])


def test_the_more_filters_are_pruned_the_fewer_bytes_the_metrics_tell(
    vault: Vault, sqlite_sessions: Sessions, settings: Settings, ask_deposit: AskDeposit
) -> None:
    sizes = []
    for digit, ratio in (("1", 0.0), ("2", 0.5), ("3", 0.9)):
        accepted = ask_deposit(digit, prune_ratio=ratio, evaluate=False)
        run_job(vault, settings, accepted.job)
        _, deposit, _ = look(sqlite_sessions, accepted.job)
        (module,) = deposit.modules
        assert deposit.metrics is not None
        assert deposit.metrics["modules"] == [{"deposit": deposit.id, "bytes": module.size}]
        with sqlite_sessions.read() as session:
            stored = artifacts.find(session, str(module.digest))
            assert stored is not None
            assert stored.size == module.size
        sizes.append(module.size)
    assert 0.1 * sizes[0] < sizes[2] < 0.2 * sizes[0]
    assert 0.45 * sizes[0] < sizes[1] < 0.6 * sizes[0]


def test_deposits_in_sequence_find_what_earlier_ones_left(
    vault: Vault, sqlite_sessions: Sessions, settings: Settings, ask_deposit: AskDeposit
) -> None:
    first, second = ask_deposit("3"), ask_deposit("8")
    assert run_job(vault, settings, second.job) is None
    assert run_job(vault, settings, first.job) == second.job
    run_job(vault, settings, second.job)
    _, deposit, model = look(sqlite_sessions, second.job)
    assert (deposit.base_version, deposit.target_version, model.current) == (2, 3, 3)


def test_training_makes_version_one(
    vault: Vault, sqlite_sessions: Sessions, settings: Settings, owner: Caller, data: str, tiny: ModelOrder
) -> None:
    prepared = prepare_model(sqlite_sessions, owner, tiny, None)
    with sqlite_sessions.write() as session:
        view = register_model(session, owner, prepared, TrainOrder(data, {"epochs": 1, "batch_size": 256}))
    assert view.job is not None
    assert view.current is None
    run_job(vault, settings, view.job)
    with sqlite_sessions.read() as session:
        assert session.get_one(Model, view.id).current == 1
        job = jobs.get(session, view.job)
        assert job is not None
        assert job.state == JobState.SUCCEEDED


def test_a_cancelled_run_ends_at_its_next_step_and_changes_nothing(
    vault: Vault,
    sqlite_sessions: Sessions,
    settings: Settings,
    owner: Caller,
    ask_deposit: AskDeposit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accepted = ask_deposit("3", min_steps=50)
    step = Claim.step

    def cancel_then_step(claim: Claim, progress: Progress) -> None:
        if progress.step == 3:
            cancel_job(sqlite_sessions, owner, accepted.job)
        step(claim, progress)

    monkeypatch.setattr(Claim, "step", cancel_then_step)
    run_job(vault, settings, accepted.job)
    job, deposit, _ = look(sqlite_sessions, accepted.job)
    assert (job.state, deposit.state) == (JobState.CANCELLED, DepositState.CANCELLED)
    assert job.progress is not None
    assert job.progress["step"] <= 3
    assert_nothing_happened(sqlite_sessions, accepted.job)


def test_a_worker_whose_claim_was_taken_commits_nothing(
    vault: Vault,
    sqlite_sessions: Sessions,
    settings: Settings,
    ask_deposit: AskDeposit,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accepted = ask_deposit("3")
    succeed = Claim.succeed

    def overtaken(claim: Claim, session: object) -> None:
        claim.fence -= 1
        succeed(claim, session)  # type: ignore[arg-type]

    monkeypatch.setattr(Claim, "succeed", overtaken)
    run_job(vault, settings, accepted.job)
    job, deposit, _ = look(sqlite_sessions, accepted.job)
    assert (job.state, deposit.state) == (JobState.RUNNING, DepositState.TRAINING)
    assert_nothing_happened(sqlite_sessions, accepted.job)


def test_a_job_that_fails_tells_the_kind_of_error_and_no_more(
    vault: Vault, sqlite_sessions: Sessions, settings: Settings, ask_deposit: AskDeposit
) -> None:
    accepted = ask_deposit("3")
    with sqlite_sessions.write() as session:
        session.execute(update(ArtifactChunk).values(data=b"harmed"))
    run_job(vault, settings, accepted.job)
    job, deposit, _ = look(sqlite_sessions, accepted.job)
    assert (job.state, deposit.state) == (JobState.FAILED, DepositState.FAILED)
    assert job.error is not None
    assert job.error["detail"] == "An unexpected CorruptArtifactError ended the job."
    assert job.error["remedy"]
    assert_nothing_happened(sqlite_sessions, accepted.job)


def test_a_diverging_deposit_is_told_as_a_problem_of_its_settings(
    vault: Vault, sqlite_sessions: Sessions, settings: Settings, ask_deposit: AskDeposit
) -> None:
    accepted = ask_deposit("3", learning_rate=1e30, min_steps=20, clip_norm=1e30)
    run_job(vault, settings, accepted.job)
    job, _, _ = look(sqlite_sessions, accepted.job)
    assert job.state == JobState.FAILED
    assert job.error is not None
    assert job.error["type"] == "/problems/invalid-input"
    assert "smaller learning rate" in job.error["remedy"]
    assert_nothing_happened(sqlite_sessions, accepted.job)


def test_a_job_that_cannot_be_claimed_is_left_alone(
    vault: Vault, sqlite_sessions: Sessions, settings: Settings, ask_deposit: AskDeposit
) -> None:
    accepted = ask_deposit("3")
    with sqlite_sessions.write() as session:
        jobs.claim(session, accepted.job, 60, 3)
    assert run_job(vault, settings, accepted.job) is None
    assert run_job(vault, settings, "job_unknown") is None
    assert look(sqlite_sessions, accepted.job)[0].attempts == 1


class TestRelay:
    def overdue(self, sessions: Sessions, job: str) -> None:
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        with sessions.write() as session:
            session.execute(update(Job).where(Job.id == job).values(rung_at=long_ago, created_at=long_ago))

    def test_a_lost_doorbell_is_rung_once_per_silence(
        self, sqlite_sessions: Sessions, settings: Settings, ask_deposit: AskDeposit
    ) -> None:
        job, rung = ask_deposit("3").job, []
        assert relay_jobs(sqlite_sessions, settings, rung.append) == 0
        self.overdue(sqlite_sessions, job)
        assert relay_jobs(sqlite_sessions, settings, rung.append) == 1
        assert relay_jobs(sqlite_sessions, settings, rung.append) == 0
        assert rung == [job]

    def test_a_job_whose_worker_died_each_time_is_given_up(
        self, sqlite_sessions: Sessions, settings: Settings, ask_deposit: AskDeposit
    ) -> None:
        job, rung = ask_deposit("3").job, []
        for _ in range(settings.max_attempts):
            with sqlite_sessions.write() as session:
                jobs.claim(session, job, LAPSED, settings.max_attempts)
        self.overdue(sqlite_sessions, job)
        relay_jobs(sqlite_sessions, settings, rung.append)
        row, deposit, _ = look(sqlite_sessions, job)
        assert rung == []
        assert (row.state, deposit.state) == (JobState.FAILED, DepositState.FAILED)
        assert row.error is not None
        assert row.error["type"] == "/problems/worker-died"
        assert_nothing_happened(sqlite_sessions, job)


def test_a_claim_that_was_lost_stops_the_work_at_its_next_word(
    sqlite_sessions: Sessions, ask_deposit: AskDeposit
) -> None:
    job = ask_deposit("3").job
    with sqlite_sessions.write() as session:
        fence = jobs.claim(session, job, LAPSED, 3)
        assert fence is not None
        jobs.claim(session, job, 60, 3)
    claim = Claim(sqlite_sessions, job, fence, lease_seconds=60, every_seconds=1)
    with pytest.raises(ClaimLostError):
        claim.phase("loading")


def test_a_claim_hears_of_a_cancel(sqlite_sessions: Sessions, owner: Caller, ask_deposit: AskDeposit) -> None:
    job = ask_deposit("3").job
    with sqlite_sessions.write() as session:
        fence = jobs.claim(session, job, 60, 3)
        assert fence is not None
    cancel_job(sqlite_sessions, owner, job)
    with pytest.raises(CancelledError):
        Claim(sqlite_sessions, job, fence, lease_seconds=60, every_seconds=1).phase("loading")


def test_progress_is_written_no_more_often_than_asked_but_for_the_last_step(
    sqlite_sessions: Sessions, ask_deposit: AskDeposit
) -> None:
    job, now = ask_deposit("3").job, [0.0]
    with sqlite_sessions.write() as session:
        fence = jobs.claim(session, job, 60, 3)
        assert fence is not None
    claim = Claim(sqlite_sessions, job, fence, lease_seconds=60, every_seconds=10, clock=lambda: now[0])
    seen = []
    for step in range(1, 31):
        claim.step(Progress(1, 1, step, 30, {"total": 0.0}))
        progress = look(sqlite_sessions, job)[0].progress
        assert progress is not None
        seen.append(progress["step"])
        now[0] += 1
    assert sorted(set(seen)) == [1, 11, 21, 30]
    assert set(worker.HANDLERS) == {"train", "deposit", "audit"}
