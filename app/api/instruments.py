"""What is counted: requests, predictions by net, and the states of jobs and deposits."""

import time
from collections.abc import Callable, Iterable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.db.session import Sessions
from app.services.count_states import count_states
from app.services.views import PredictionView

UNMATCHED = "unmatched"
SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0, 120.0)


class Metrics:
    """The instruments of one application; two applications in one process do not share them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "lirf_http_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "lirf_http_request_seconds",
            "Time to the last byte of an answer.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.predictions = Counter(
            "lirf_predictions",
            "Images classified, by the net that answered.",
            ("net",),
            registry=self.registry,
        )

        self.batch_rows = Histogram(
            "lirf_batch_images",
            "Images in a batch.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "lirf_queue_seconds",
            "Time that the oldest image of a batch waited for the engine.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.inference_seconds = Histogram(
            "lirf_inference_seconds", "Time that a batch took.", buckets=SECONDS, registry=self.registry
        )
        self.rejected = Counter(
            "lirf_rejected", "Predictions turned away.", ("reason",), registry=self.registry
        )
        # to look a series up by its labels takes longer than to count
        self._answered = cache(self.requests.labels)
        self._took = cache(self.seconds.labels)
        self._classified = cache(self.predictions.labels)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request by its route's template and the time to the last byte of its answer."""
        self._answered(method, route, status).inc()
        self._took(method, route).observe(seconds)

    def batch(self, rows: int, waited: float, took: float) -> None:
        """Observe a batch: its images, and the seconds that the oldest waited and that all took."""
        self.batch_rows.observe(rows)
        self.queue_seconds.observe(waited)
        self.inference_seconds.observe(took)

    def reject(self, reason: str) -> None:
        self.rejected.labels(reason).inc()

    def watch_queue(self, waiting: Callable[[], int]) -> None:
        """Show how many images wait for the engine, counted at every scrape."""
        gauge = Gauge("lirf_queue_images", "Images that wait for the engine.", registry=self.registry)
        gauge.set_function(waiting)

    def count_predictions(self, answers: Iterable[PredictionView]) -> None:
        for answer in answers:
            self.count_images(answer.net, 1)

    def count_images(self, net: str, count: int) -> None:
        """``count`` images were answered by this kind of net."""
        self._classified(net).inc(count)

    def watch_states(self, sessions: Sessions) -> None:
        """Show how many jobs and deposits the database holds in each state, counted at every scrape."""
        self.registry.register(_States(sessions))


class RequestMetrics:
    """Counts and times every request under its route's template, so that ids make no new series."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", UNMATCHED)
            self._metrics.answered(scope["method"], route, status, time.perf_counter() - started)


class _States(Collector):
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def collect(self) -> Iterable[GaugeMetricFamily]:
        for name, counts in count_states(self._sessions).items():
            family = GaugeMetricFamily(
                f"lirf_{name}", f"How many {name} are in each state.", labels=("state",)
            )
            for state, count in counts.items():
                family.add_metric((state,), count)
            yield family
