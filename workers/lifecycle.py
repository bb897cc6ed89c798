"""What happens when a worker's processes start."""

from typing import Any

from celery.signals import setup_logging, worker_init, worker_process_init

from app import lifeline
from app.config import Settings
from app.logs import configure_logs


@setup_logging.connect  # type: ignore[untyped-decorator]
def _logs(**_: Any) -> None:
    configure_logs(Settings().log_format)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _logs_in_child(**_: Any) -> None:
    configure_logs(Settings().log_format)


@worker_init.connect  # type: ignore[untyped-decorator]
def _end_with_the_service(**_: Any) -> None:
    lifeline.follow(lifeline.end_process_group)
