"""``/v2/metrics``: Triton's counters under Triton's names, for dashboards that know them.

https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/metrics.html
"""

import re
from collections.abc import Callable, Iterator, Mapping

from fastapi import APIRouter, Response
from prometheus_client import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from app.api.dependencies import ContextDep, ServedCallerDep
from app.api.problems import PLAIN_MEDIA_TYPE, described
from app.inference.statistics import Statistics, VersionStatistics

MICRO = 1e6
Value = Callable[[VersionStatistics], float]

COUNTERS: dict[str, tuple[str, Value]] = {
    "nv_inference_request_success": ("Requests that were answered.", lambda one: one.success.count),
    "nv_inference_count": ("Images that were classified.", lambda one: one.inference_count),
    "nv_inference_exec_count": ("Batches.", lambda one: one.execution_count),
    "nv_inference_request_duration_us": (
        "Microseconds that answered requests took.",
        lambda one: round(one.success.seconds * MICRO),
    ),
    "nv_inference_queue_duration_us": (
        "Microseconds that requests waited for the engine.",
        lambda one: round(one.queue.seconds * MICRO),
    ),
    "nv_inference_compute_infer_duration_us": (
        "Microseconds that requests were in the engine.",
        lambda one: round(one.compute_infer.seconds * MICRO),
    ),
}
FAILURE = "nv_inference_request_failure"
PENDING = "nv_inference_pending_request_count"

ADDED_SUFFIX = re.compile(rb"^(# (?:HELP|TYPE) \w+)_total ", re.MULTILINE)

router = APIRouter(prefix="/v2", tags=["open inference protocol"], responses=described(PLAIN_MEDIA_TYPE))


@router.get("/metrics", response_class=Response)
async def get_metrics(context: ContextDep, _caller: ServedCallerDep) -> Response:
    """Triton's counters of every version that was asked since this process began; they name models."""
    serving = context.serving
    counters = TritonCounters(serving.statistics, serving.requests_waiting())
    return Response(exposed(counters), media_type=CONTENT_TYPE_LATEST)


class TritonCounters(Collector):
    """Reads the statistics as they are.

    Args:
        statistics: of every version.
        waiting: requests that wait for the engine, by model and version.
    """

    def __init__(self, statistics: Statistics, waiting: Mapping[tuple[str, str], int]) -> None:
        self._versions = dict(statistics.all())
        self._waiting = waiting

    def collect(self) -> Iterator[Metric]:
        for name, (text, value) in COUNTERS.items():
            family = Metric(name, text, "counter")
            for version, one in self._versions.items():
                family.add_sample(name, _labels(version), value(one))
            yield family
        failures = Metric(FAILURE, "Requests that failed, by reason.", "counter")
        for version, one in self._versions.items():
            for reason, failed in one.failures.items():
                failures.add_sample(FAILURE, {**_labels(version), "reason": reason}, failed.count)
        yield failures
        pending = Metric(PENDING, "Requests that wait for the engine.", "gauge")
        for version in sorted({*self._versions, *self._waiting}):
            pending.add_sample(PENDING, _labels(version), self._waiting.get(version, 0))
        yield pending


def exposed(counters: Collector) -> bytes:
    """Prometheus text; the library's headers call a counter ``…_total``, which is not what its samples are called."""
    return ADDED_SUFFIX.sub(rb"\1 ", generate_latest(counters))


def _labels(version: tuple[str, str]) -> dict[str, str]:
    return dict(zip(("model", "version"), version, strict=True))
