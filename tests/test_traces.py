import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.baggage import set_baggage
from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app import traces

LOADED = """
import sys
import workers.tasks
at_work = [name for name in sys.modules if name.startswith("opentelemetry")]
import app.main
app.main.create_app()
at_the_web = [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
print([*at_work, *at_the_web, *(name for name in sys.modules if name == "app.otlp")])
"""

WITHOUT_THE_EXTRA = """
import sys
sys.modules["opentelemetry.sdk"] = None
from app import traces
traces.start("otlp", "lirf-api")
"""


def test_while_traces_are_off_a_worker_loads_no_opentelemetry_and_the_api_no_more_than_fastapi_does() -> None:
    done = _python(LOADED)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_traces_without_their_packages_fail_at_the_start_and_tell_how_to_install_them() -> None:
    done = _python(WITHOUT_THE_EXTRA)
    assert done.returncode == 1
    assert "pip install 'lirf-server[traces]'" in done.stderr.splitlines()[-1]


def test_while_traces_are_off_a_span_is_nothing_and_a_message_takes_nothing_along() -> None:
    assert traces.provider() is None
    assert traces.carrier() == {}
    parent = {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}
    assert traces.span("one", images=1) is traces.span("another") is traces.under(parent)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """The spans of this process, which no collector takes."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    traces.start("otlp", "lirf-test")
    provider = traces.provider()
    assert provider is not None
    spans = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    yield spans
    traces.stop()


def test_of_an_error_the_kind_is_told_and_not_the_text(kept: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="private"), traces.span("work", job="job_1"):
        raise ValueError("private")
    (span,) = kept.get_finished_spans()
    assert span.attributes == {"lirf.job": "job_1", "error.type": "ValueError"}
    assert not span.status.is_ok
    assert "private" not in span.to_json()


def test_a_message_takes_its_span_along_and_no_baggage(kept: InMemorySpanExporter) -> None:
    token = attach(set_baggage("name", "somebody"))
    with traces.span("request"):
        headers = traces.carrier()
    detach(token)
    with traces.under(headers), traces.span("job", ordered=True):
        pass
    request, job = kept.get_finished_spans()
    assert headers.keys() == {"traceparent"}
    assert job.parent is not None
    assert (job.parent.span_id, job.context.trace_id) == (request.context.span_id, request.context.trace_id)


def test_a_message_that_took_no_span_along_begins_a_trace(kept: InMemorySpanExporter) -> None:
    with traces.under(None), traces.span("job", ordered=True):
        pass
    (job,) = kept.get_finished_spans()
    assert job.parent is None


def _python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
