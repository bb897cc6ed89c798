"""What Triton's statistics extension tells of each model version, since this process began."""

import time
from dataclasses import dataclass, field
from typing import Any

NANO = 1e9


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
    fail: Duration = field(default_factory=Duration)
    queue: Duration = field(default_factory=Duration)
    compute_infer: Duration = field(default_factory=Duration)


class Statistics:
    """Of every version that was asked."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], VersionStatistics] = {}

    def of(self, model: str, version: str) -> VersionStatistics:
        return self._versions.setdefault((model, version), VersionStatistics())

    def batch(self, model: str, version: str, rows: int, waited: float, took: float) -> None:
        """Count a batch: its images, and the seconds that the oldest waited and that all took."""
        one = self.of(model, version)
        one.inference_count += rows
        one.execution_count += 1
        one.last_inference = round(time.time() * 1000)
        one.queue.add(waited)
        one.compute_infer.add(took)

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
            for (name, number), one in sorted(self._versions.items())
            if model in {None, name} and version in {None, number}
        ]
