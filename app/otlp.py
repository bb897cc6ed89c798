"""OpenTelemetry's SDK behind `app.traces`, which imports this only where traces are wanted: it is an extra."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

OWN = "lirf."
TOLD = {"http.request.method", "network.protocol.version", "server.address", "server.port", "url.scheme"}
HIDDEN = "REDACTED"
PATIENCE_SECONDS = 3.0

_headers = TraceContextTextMapPropagator()


class Tracing:
    """The spans of one process on their way to a collector; where that is, ``OTEL_*`` variables say."""

    def __init__(self, service: str) -> None:
        named = Resource.create({SERVICE_NAME: service}).merge(OTELResourceDetector().detect())
        self.provider = TracerProvider(resource=named, shutdown_on_exit=False)
        self.provider.add_span_processor(_Discreet())
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self.provider.get_tracer("lirf")

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, str | int], *, ordered: bool) -> Iterator[None]:
        """Of an error only the kind is told: its text may hold paths or data."""
        with self._tracer.start_as_current_span(
            name,
            kind=SpanKind.CONSUMER if ordered else SpanKind.INTERNAL,
            attributes={OWN + key: value for key, value in attributes.items()},
            record_exception=False,
            set_status_on_exception=False,
        ) as current:
            try:
                yield
            except Exception as error:
                current.set_attribute("error.type", type(error).__qualname__)
                current.set_status(StatusCode.ERROR)
                raise

    def carrier(self) -> dict[str, str]:
        # not through the global propagator: it would also pass on baggage, in which callers may write what they like
        headers: dict[str, str] = {}
        _headers.inject(headers)
        return headers

    @contextmanager
    def under(self, headers: Mapping[str, str]) -> Iterator[None]:
        token = context.attach(_headers.extract(headers))
        try:
            yield
        finally:
            context.detach(token)

    def close(self) -> None:
        """Send what is left, if the collector takes it soon: a worker ends with each job, and the next one waits."""
        ending = threading.Thread(target=self.provider.shutdown, name="last-spans", daemon=True)
        ending.start()
        ending.join(PATIENCE_SECONDS)


class _Discreet(SpanProcessor):
    """Hides whatever is not known to be harmless: a query may hold an image, a path what a caller typed into it."""

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:  # noqa: ARG002
        for name in list(span.attributes or ()):
            if name not in TOLD and not name.startswith(OWN):
                span.set_attribute(name, HIDDEN)
