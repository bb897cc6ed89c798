"""Spans of what this process does, for operators who collect them.

Off unless `start` was called with ``otlp``: then nothing of OpenTelemetry's SDK is loaded, and what stands here does
nothing. Attributes tell ids and counts, never names, keys, images or texts of errors.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from app.otlp import Tracing

OFF = "off"


class TracesUnavailableError(Exception):
    """Traces are wanted and the extra that makes them is not installed."""


class _Process:
    """One for each process, since spans begin in places that share nothing else."""

    tracing: "Tracing | None" = None


_process = _Process()
_no_span = nullcontext()


def require(wanted: str) -> None:
    """Check that `start` can do what is wanted.

    Raises:
        TracesUnavailableError: the extra is missing.
    """
    if wanted == OFF:
        return
    try:
        from app import otlp  # noqa: F401, PLC0415  an extra, which takes time to load
    except ImportError as error:
        raise TracesUnavailableError(
            f"LIRF_TRACES={wanted} needs packages that are not installed ({error}). "
            "Run: pip install 'lirf-server[traces]', or set LIRF_TRACES=off."
        ) from error


def start(wanted: str, service: str) -> None:
    """Collect the spans of this process under the name of ``service``, unless ``OTEL_SERVICE_NAME`` gives another.

    Raises:
        TracesUnavailableError: the extra is missing.
    """
    require(wanted)
    if wanted != OFF and _process.tracing is None:
        from app.otlp import Tracing  # noqa: PLC0415

        _process.tracing = Tracing(service)


def stop() -> None:
    """Send what is left, and be off again."""
    tracing, _process.tracing = _process.tracing, None
    if tracing is not None:
        tracing.close()


def provider() -> "TracerProvider | None":
    """For libraries that make spans of their own."""
    tracing = _process.tracing
    return None if tracing is None else tracing.provider


def span(name: str, *, ordered: bool = False, **attributes: str | int) -> AbstractContextManager[None]:
    """A span round a block; it fails if an exception leaves the block.

    Args:
        name: of few values: ids are attributes.
        ordered: it carries out what a message asked for.
        **attributes: get the prefix ``lirf.``.
    """
    tracing = _process.tracing
    return _no_span if tracing is None else tracing.span(name, attributes, ordered=ordered)


def carrier() -> dict[str, str]:
    """Headers with which a message takes the current span along."""
    tracing = _process.tracing
    return {} if tracing is None else tracing.carrier()


def under(headers: Mapping[str, str] | None) -> AbstractContextManager[None]:
    """Spans in this block are children of the span that a message took along, if it did."""
    tracing = _process.tracing
    return _no_span if tracing is None else tracing.under(headers or {})
