"""What FastAPI may tell of requests by its own instrumentation: one span each, and only if traces are on."""

from collections.abc import MutableMapping
from typing import Any

from fastapi.telemetry import TelemetryConfig

from app import traces

UNTRACED = {"/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"}
"""What machines ask every few seconds."""


def telemetry() -> TelemetryConfig:
    """Everything is said here, so that no variable of FastAPI's turns on more: its logs would hold texts of errors."""
    provider = traces.provider()
    return {
        "tracing": provider is not None,
        "tracer_provider": provider,
        "operation_spans": False,
        "metrics": False,
        "logs": False,
        "auto_configure": False,
        "exclude": _untraced,
    }


def _untraced(scope: MutableMapping[str, Any]) -> bool:
    return scope["path"] in UNTRACED
