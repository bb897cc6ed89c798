"""The spans that a collector gets of a real service and its worker, all of them sent when a process ends."""

import base64
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.cli.demo.service import RunningService
from app.client import LirfClient
from app.lirf.data.images import encode_png
from app.lirf.data.source import open_source

StartService = Callable[..., AbstractContextManager[RunningService]]

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
FILE = encode_png(open_source("digits", "test").images[0])
IMAGE = base64.urlsafe_b64encode(FILE).decode()
MODEL = {
    "name": "traced",
    "architecture": "resnet20",
    "classes": [str(digit) for digit in range(10)],
    "input": {"channels": 1, "height": 8, "width": 8},
    "train": {"dataset": "digits", "epochs": 1, "batch_size": 128},
}


@dataclass(frozen=True)
class Told:
    """What the collector got, as bytes and read, and what must not be in it."""

    bodies: list[bytes]
    secret: str
    job: str

    def every_span(self) -> list[tuple[str, Any, dict[str, Any]]]:
        """Service, span and attributes, in the order of their ends."""
        return [
            (_values(resource.resource)["service.name"], span, _values(span))
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def spans(self) -> dict[str, tuple[str, Any, dict[str, Any]]]:
        """The same by the name of the span."""
        return {span.name: (service, span, values) for service, span, values in self.every_span()}


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Takes OTLP over HTTP; its URL and the bodies that came."""
    bodies: list[bytes] = []

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Take) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", bodies
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def told(start_service: StartService) -> Told:
    """One caller, who traces too, has a network trained and asks it by a query, and then for the express lane."""
    with collector() as (url, bodies):
        never = str(10 * 60 * 1000)  # so that what comes was sent at an end
        with (
            start_service(
                LIRF_TRACES="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_BSP_SCHEDULE_DELAY=never
            ) as service,
            LirfClient(service.url, service.admin_key) as admin,
            httpx.Client(
                base_url=service.url,
                headers={
                    "Authorization": f"Bearer {service.admin_key}",
                    "traceparent": f"00-{TRACE}-{CALLER}-01",
                    "baggage": "name=somebody",
                },
            ) as caller,
        ):
            admin.builtin_dataset("digits", "digits", "test")
            job = caller.post("/models", json=MODEL).raise_for_status().json()["job"]
            admin.wait(job)
            _await(lambda: any(b"train job" in body for body in bodies))  # before its process is ended
            asked = {"model": "traced", "image": IMAGE}
            caller.get("/predict", params=asked).raise_for_status()
            plain = {"params": {"model": "traced"}, "headers": {"Content-Type": "image/png"}}
            caller.post("/predict", content=FILE, **plain).raise_for_status()
            for path in ("/healthz", "/readyz", "/metrics", "/v2/health/live"):
                caller.get(path).raise_for_status()
    return Told(bodies, service.admin_key, job)


def test_one_trace_leads_from_the_caller_over_the_request_to_the_job_in_the_worker(told: Told) -> None:
    spans = told.spans()
    (api, request, _), (worker, job, attributes) = spans["POST /models"], spans["train job"]
    assert (api, worker) == ("lirf-api", "lirf-worker")
    assert request.trace_id.hex() == job.trace_id.hex() == TRACE
    assert request.parent_span_id.hex() == CALLER
    assert job.parent_span_id == request.span_id
    assert attributes == {"lirf.job": told.job, "lirf.attempt": 1}


def test_a_prediction_holds_the_span_of_its_inference(told: Told) -> None:
    spans = told.spans()
    inferences = [(span, values) for _, span, values in told.every_span() if span.name == "inference"]
    for name, (inference, attributes) in zip(("GET /predict", "POST"), inferences, strict=True):
        _, request, _ = spans[name]
        assert inference.parent_span_id == request.span_id
        assert inference.trace_id == request.trace_id
        assert attributes == {"lirf.images": 1}


def test_of_a_request_neither_path_nor_query_nor_key_nor_baggage_are_told(told: Told) -> None:
    _, _, attributes = told.spans()["GET /predict"]
    assert {name for name, value in attributes.items() if value == "REDACTED"} == {"url.path", "url.query"}
    assert attributes.keys() - {"url.path", "url.query"} == {
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "network.protocol.version",
        "server.address",
        "server.port",
        "url.scheme",
    }
    everything = b"".join(told.bodies)
    for secret in (IMAGE, "image=", told.secret, told.secret.split("_")[2], "somebody", "traced"):
        assert secret.encode() not in everything


def test_what_machines_ask_every_few_seconds_is_not_traced(told: Told) -> None:
    assert told.spans().keys() == {
        "POST /datasets",
        "POST /models",
        "GET /jobs/{job_id}/events",
        "GET /predict",
        "POST",  # the express lane answers before there is a route
        "train job",
        "inference",
    }


def _await(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not what() and time.monotonic() < deadline:
        time.sleep(0.02)


def _values(told: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in told.attributes}
