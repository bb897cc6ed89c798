"""Keeps one worker process alive beside the api in the embedded service, and takes it down with it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping

import structlog

from app.lifeline import Lifeline
from app.patience import PATIENT_THREADS

WORKER = (
    sys.executable,
    "-m",
    "celery",
    "--quiet",
    "--app=workers.celery_app:celery_app",
    "worker",
    "--pool=prefork",
    "--concurrency=1",
    "--loglevel=WARNING",
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
)
GRACE_SECONDS = 8.0
PAUSE_SECONDS = 1.0

log = structlog.get_logger(__name__)


class WorkerSupervisor:
    """Starts the worker in a process group of its own and restarts it whenever it ends."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {**PATIENT_THREADS, **os.environ, **environment}
        self._stopping = threading.Event()
        self._lifeline = Lifeline()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._watch, name="worker-supervisor", daemon=True)

    def start(self) -> None:
        self._process = self._spawn()
        self._thread.start()

    def stop(self) -> None:
        """End the worker and everything that it started."""
        self._stopping.set()
        process = self._process
        if process is not None and process.poll() is None:
            _signal_group(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            _signal_group(process, signal.SIGKILL)
            process.wait()
        self._thread.join(timeout=GRACE_SECONDS)
        self._lifeline.close()

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  a fixed command
            WORKER,
            env={**self._environment, **self._lifeline.environment},
            pass_fds=[self._lifeline.read_fd],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _watch(self) -> None:
        while not self._stopping.is_set() and self._process is not None:
            code = self._process.wait()
            if self._stopping.wait(PAUSE_SECONDS):
                return
            log.warning("worker_restarted", exit_code=code)
            self._process = self._spawn()


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
