"""States and their legal transitions: jobs, deposits, withdrawals."""

from enum import StrEnum


class JobState(StrEnum):
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class JobKind(StrEnum):
    TRAIN = "train"
    DEPOSIT = "deposit"
    AUDIT = "audit"


class DepositState(StrEnum):
    QUEUED = "queued"
    TRAINING = "training"
    SEALED = "sealed"
    DISABLED = "disabled"
    ERASED = "erased"
    FAILED = "failed"
    CANCELLED = "cancelled"


JOB_TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED}),
    # RUNNING -> RUNNING is a lapsed lease that another worker took over
    JobState.RUNNING: frozenset({JobState.RUNNING, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}

DEPOSIT_TRANSITIONS: dict[DepositState, frozenset[DepositState]] = {
    DepositState.QUEUED: frozenset({DepositState.TRAINING, DepositState.FAILED, DepositState.CANCELLED}),
    DepositState.TRAINING: frozenset(
        {DepositState.TRAINING, DepositState.SEALED, DepositState.FAILED, DepositState.CANCELLED}
    ),
    DepositState.SEALED: frozenset({DepositState.DISABLED, DepositState.ERASED}),
    DepositState.DISABLED: frozenset({DepositState.SEALED, DepositState.ERASED}),
    DepositState.ERASED: frozenset(),
    DepositState.FAILED: frozenset(),
    DepositState.CANCELLED: frozenset(),
}

JOB_ENDED = frozenset(state for state, onward in JOB_TRANSITIONS.items() if not onward)
DEPOSIT_HOLDS_SET = frozenset(
    {
        DepositState.QUEUED,
        DepositState.TRAINING,
        DepositState.SEALED,
        DepositState.DISABLED,
        DepositState.ERASED,
    }
)
DEPOSIT_FORGOTTEN = frozenset({DepositState.SEALED, DepositState.DISABLED, DepositState.ERASED})
"""States of a deposit whose target net was made: its knowledge is out of the model."""


def advance_deposit(now: DepositState, onward: DepositState) -> DepositState:
    """Return ``onward``; raise ValueError if a deposit in state ``now`` may not go there."""
    if onward not in DEPOSIT_TRANSITIONS[now]:
        raise ValueError(f"a deposit cannot go from {now} to {onward}")
    return onward
