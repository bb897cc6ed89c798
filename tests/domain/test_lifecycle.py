import itertools

import pytest

from app.domain.lifecycle import (
    DEPOSIT_HOLDS_SET,
    DEPOSIT_TRANSITIONS,
    JOB_ENDED,
    JOB_TRANSITIONS,
    DepositState,
    JobState,
    advance_deposit,
)

D, J = DepositState, JobState

LEGAL = {
    (D.QUEUED, D.TRAINING),
    (D.QUEUED, D.FAILED),
    (D.QUEUED, D.CANCELLED),
    (D.TRAINING, D.TRAINING),
    (D.TRAINING, D.SEALED),
    (D.TRAINING, D.FAILED),
    (D.TRAINING, D.CANCELLED),
    (D.SEALED, D.ERASED),
    (D.SEALED, D.DISABLED),
    (D.DISABLED, D.SEALED),
    (D.DISABLED, D.ERASED),
}
EVERY_STEP = list(itertools.product(DepositState, DepositState))


@pytest.mark.parametrize(("now", "onward"), [step for step in EVERY_STEP if step in LEGAL])
def test_a_deposit_takes_every_legal_step(now: DepositState, onward: DepositState) -> None:
    assert advance_deposit(now, onward) is onward


@pytest.mark.parametrize(("now", "onward"), [step for step in EVERY_STEP if step not in LEGAL])
def test_a_deposit_takes_no_other_step(now: DepositState, onward: DepositState) -> None:
    with pytest.raises(ValueError, match=f"from {now} to {onward}"):
        advance_deposit(now, onward)


def test_every_state_says_where_it_may_lead() -> None:
    assert set(DEPOSIT_TRANSITIONS) == set(DepositState)
    assert set(JOB_TRANSITIONS) == set(JobState)


def test_a_job_ends_in_exactly_three_ways() -> None:
    assert {J.SUCCEEDED, J.FAILED, J.CANCELLED} == JOB_ENDED


def test_an_ended_job_stays_ended() -> None:
    assert all(not JOB_TRANSITIONS[state] for state in JOB_ENDED)


def test_a_running_job_can_be_taken_over_and_a_queued_one_cannot_succeed() -> None:
    assert J.RUNNING in JOB_TRANSITIONS[J.RUNNING]
    assert J.SUCCEEDED not in JOB_TRANSITIONS[J.QUEUED]


def test_a_set_is_free_again_only_after_failure_or_cancelling() -> None:
    assert set(DepositState) - DEPOSIT_HOLDS_SET == {D.FAILED, D.CANCELLED}
