"""The doorbell: a Celery message that carries a job's id and, in a header, the span of who ordered it, if there is one.

Losing one costs seconds, never a job.
"""

from typing import Any

import structlog
from celery import Celery
from kombu.exceptions import OperationalError

from app import traces
from app.config import Settings

RUN_JOB = "lirf.run_job"
QUEUE = "train"

log = structlog.get_logger(__name__)


def make_celery(settings: Settings) -> Celery:
    """Build the Celery application that api and worker share."""
    celery = Celery("lirf", broker=settings.broker_url)
    celery.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_transport_options(settings),
        worker_prefetch_multiplier=1,
        worker_pool_start_method="spawn",  # CUDA does not survive a fork
        worker_proc_alive_timeout=120.0,  # importing torch takes a busy machine longer than Celery's 4 s
        worker_max_tasks_per_child=1,  # a fresh process gives all memory and the CUDA context back
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_soft_shutdown_timeout=5.0,
    )
    return celery


class Doorbell:
    """Rings workers. A broker that does not answer is logged; the relay rings again."""

    def __init__(self, settings: Settings) -> None:
        self._celery = make_celery(settings)

    def ring(self, job_id: str) -> None:
        try:
            self._celery.send_task(RUN_JOB, [job_id], queue=QUEUE, retry=False, headers=traces.carrier())
        except (OperationalError, OSError) as error:
            log.warning("doorbell_failed", job=job_id, error=str(error))

    def close(self) -> None:
        self._celery.close()


def _transport_options(settings: Settings) -> dict[str, Any]:
    if not settings.embedded_broker:
        return {"socket_timeout": 5.0, "socket_connect_timeout": 2.0, "socket_keepalive": True}
    folder = settings.data_dir / "broker"
    folders = {name: folder / name for name in ("messages", "control")}
    for path in folders.values():
        path.mkdir(parents=True, exist_ok=True)
    return {
        "data_folder_in": str(folders["messages"]),
        "data_folder_out": str(folders["messages"]),
        "control_folder": str(folders["control"]),
        "polling_interval": 0.2,
    }
