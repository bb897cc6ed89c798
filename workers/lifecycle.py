"""What happens when a worker's processes start and end."""

from typing import Any

from celery.signals import (
    setup_logging,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_shutdown,
)

from app import lifeline, traces
from app.config import Settings
from app.logs import configure_logs


@setup_logging.connect  # type: ignore[untyped-decorator]
def _logs(**_: Any) -> None:
    configure_logs(Settings().log_format)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _begin_child(**_: Any) -> None:
    settings = Settings()
    configure_logs(settings.log_format)
    traces.start(settings.traces, "lirf-worker")


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
@worker_shutdown.connect  # type: ignore[untyped-decorator]  # with --pool=solo there is no other process
def _end_child(**_: Any) -> None:
    traces.stop()


@worker_init.connect  # type: ignore[untyped-decorator]
def _end_with_the_service(**_: Any) -> None:
    lifeline.follow(lifeline.end_process_group)
