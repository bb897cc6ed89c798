"""How fast a deposit steps, how long a whole one takes, and by how much one loop is faster than another."""

import contextlib
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.lirf.config import Progress
from benchmarks.contestants import Contestant, Pair
from benchmarks.measure import summary
from benchmarks.subject import Subject

WARM_UP = 1


class EnoughError(Exception):
    """The time of a measurement is over; it cancels the deposit."""


def steps_per_second(contestant: Contestant, subject: Subject, seconds: float) -> float:
    """Time the steps after a warm-up, for as long as told, for two steps at least and one epoch at most."""
    ticks: list[float] = []

    def tick(_: Progress) -> None:
        ticks.append(time.perf_counter())
        if len(ticks) > WARM_UP + 1 and ticks[-1] - ticks[WARM_UP - 1] > seconds:
            raise EnoughError

    with contextlib.suppress(EnoughError):
        contestant.run(subject, replace(contestant.config, epochs=1, min_steps=1), tick)
    return (len(ticks) - WARM_UP) / (ticks[-1] - ticks[WARM_UP - 1])


def row(name: str, contestant: Contestant, images: int, rates: Sequence[float]) -> dict[str, Any]:
    """A contestant's figures; an epoch over ``images`` is worked out from the steps.

    Args:
        name: of the contestant.
        contestant: the loop.
        images: of the deposit set.
        rates: steps per second, one per round.
    """
    steps = -(-images // contestant.config.batch_size)
    middle = statistics.median(rates)
    return {
        "loop": name,
        "what": contestant.what,
        "objective": contestant.config.objective,
        "precision": contestant.precision,
        "batch_size": contestant.config.batch_size,
        "samples_per_step": contestant.samples_per_step,
        "steps_per_second": summary(list(rates)),
        "samples_per_second": round(middle * contestant.samples_per_step, 1),
        "seconds_per_epoch": round(steps / middle, 1),
    }


def ratios(
    pairs: Sequence[Pair], loops: Mapping[str, Contestant], rates: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    """How many times faster: per epoch over the deposit set, and per sample, surrogates counted.

    Each is a ratio of medians; ``rounds`` has the ratio of every round, in which both ran one after the other.
    """
    found = []
    for pair in pairs:
        one, other = loops[pair.faster], loops[pair.slower]
        images = one.config.batch_size / other.config.batch_size
        samples = one.samples_per_step / other.samples_per_step
        middle = statistics.median(rates[pair.faster]) / statistics.median(rates[pair.slower])
        rounds = [mine / its for mine, its in zip(rates[pair.faster], rates[pair.slower], strict=True)]
        found.append(
            {
                "loop": pair.faster,
                "against": pair.slower,
                "says": pair.says,
                "per_epoch": round(middle * images, 3),
                "per_sample": round(middle * samples, 3),
                "rounds_per_epoch": [round(value * images, 3) for value in rounds],
            }
        )
    return found


def whole_deposit(contestant: Contestant, subject: Subject) -> dict[str, Any]:
    """Wall seconds of one complete deposit, with all that happens before and after its steps."""
    told: list[Progress] = []
    started = time.perf_counter()
    contestant.run(subject, contestant.config, told.append)
    seconds = time.perf_counter() - started
    images = len(subject.deposit_set.images)
    return {
        "objective": contestant.config.objective,
        "images": images,
        "epochs": told[-1].epochs,
        "steps": told[-1].steps,
        "samples": images * told[-1].epochs * contestant.samples_per_step // contestant.config.batch_size,
        "seconds": round(seconds, 1),
    }
