"""What Triton's statistics extension and its metrics tell of each model version, since this process began.

As there, queue and compute are counted per request: each one of a batch waited for itself and took the batch's time.
A request of more images than a batch holds counts there as several.
"""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from app.domain.errors import ServiceError, TooMany, Unavailable
from app.lirf.errors import InvalidInputError

NANO = 1e9
REASONS = REJECTED, CANCELED, BACKEND, OTHER = "REJECTED", "CANCELED", "BACKEND", "OTHER"
"""Triton's words for why a request failed."""


@dataclass
class Duration:
    count: int = 0
    seconds: float = 0.0

    def add(self, seconds: float, count: int = 1) -> None:
        self.count += count
        self.seconds += seconds

    def told(self) -> dict[str, int]:
        return {"count": self.count, "ns": round(self.seconds * NANO)}


@dataclass
class VersionStatistics:
    """Counts and times of one version of a model."""

    inference_count: int = 0
    execution_count: int = 0
    last_inference: int = 0
    success: Duration = field(default_factory=Duration)
    failures: dict[str, Duration] = field(default_factory=lambda: {reason: Duration() for reason in REASONS})
    queue: Duration = field(default_factory=Duration)
    compute_infer: Duration = field(default_factory=Duration)

    @property
    def fail(self) -> Duration:
        """Of all reasons."""
        every = self.failures.values()
        return Duration(sum(one.count for one in every), sum(one.seconds for one in every))


class Statistics:
    """Of every version that was asked."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], VersionStatistics] = {}
        self._failing = threading.Lock()

    def of(self, model: str, version: str) -> VersionStatistics:
        found = self._versions.get((model, version))
        return found or self._versions.setdefault((model, version), VersionStatistics())

    def all(self) -> list[tuple[tuple[str, str], VersionStatistics]]:
        """By model and version, in order."""
        return sorted(self._versions.items())

    @contextmanager
    def request(self, model: str, version: str, started: float) -> Iterator[None]:
        """Count a request that was begun at ``started`` (`time.perf_counter`) as it ends: well, or by an error."""
        try:
            yield
        except BaseException as error:
            self._count_failure(error, model, version, started)
            raise
        self.of(model, version).success.add(time.perf_counter() - started)

    @contextmanager
    def failing(self, model: str, version: str, started: float) -> Iterator[None]:
        """Count a part of a request if it fails; on any thread."""
        try:
            yield
        except BaseException as error:
            self._count_failure(error, model, version, started)
            raise

    def _count_failure(self, error: BaseException, model: str, version: str, started: float) -> None:
        with self._failing:
            failures = self.of(model, version).failures
            failures[_reason(error)].add(time.perf_counter() - started)

    def batch(self, model: str, version: str, rows: int, waits: Sequence[float], took: float) -> None:
        """Count a batch: its images, the seconds that each of its requests waited, and those that all took."""
        one = self.of(model, version)
        one.inference_count += rows
        one.execution_count += 1
        one.last_inference = round(time.time() * 1000)
        one.queue.add(sum(waits), len(waits))
        one.compute_infer.add(took * len(waits), len(waits))

    def told(self, model: str | None = None, version: str | None = None) -> list[dict[str, Any]]:
        """``model_stats`` of extension_statistics.md."""
        return [
            {
                "name": name,
                "version": number,
                "last_inference": one.last_inference,
                "inference_count": one.inference_count,
                "execution_count": one.execution_count,
                "inference_stats": {
                    part: getattr(one, part).told() for part in ("success", "fail", "queue", "compute_infer")
                },
                "batch_stats": [],
            }
            for (name, number), one in self.all()
            if model in {None, name} and version in {None, number}
        ]


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return CANCELED
    if isinstance(error, TooMany | Unavailable):
        return REJECTED
    return OTHER if isinstance(error, ServiceError | InvalidInputError) else BACKEND
