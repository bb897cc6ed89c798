"""Where a run stands."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a run stands, reported after every step.

    Attributes:
        epoch: from 1.
        epochs: how many there will be.
        step: from 1, over all epochs.
        steps: how many there will be.
        losses: each weighted term of the objective in this step, and their ``total``.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    losses: dict[str, float]
