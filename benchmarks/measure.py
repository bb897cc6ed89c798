"""Repeats that take turns, so that a busy moment of the machine meets every contestant alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

Name = TypeVar("Name")


class Rows(Protocol):
    """A tensor or an array."""

    def __len__(self) -> int: ...


Batch = TypeVar("Batch", bound=Rows)


def taking_turns(contestants: Mapping[Name, Callable[[], float]], repeats: int) -> dict[Name, list[float]]:
    """Measure each contestant ``repeats`` times: a, b, c, a, b, c and so on."""
    measured: dict[Name, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, measure in contestants.items():
            measured[name].append(measure())
    return measured


def rate(run: Callable[[Batch], object], batch: Batch, seconds: float) -> float:
    """Rows per second that ``run`` takes when it is given ``batch`` again and again, after three times unmeasured."""
    for _ in range(3):
        run(batch)
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        run(batch)
        count += len(batch)
    return count / (time.perf_counter() - started)


def summary(values: list[float]) -> dict[str, float | list[float]]:
    """The median, and every repeat, so that readers see how far they lie apart."""
    return {"median": round(statistics.median(values), 3), "repeats": [round(value, 3) for value in values]}
