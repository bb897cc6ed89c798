"""A service of the demo's own: `lirf up` as a child process on a free port, with everything in one folder."""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue

from app.lifeline import Lifeline
from app.services.authenticate import KeyText

START_SECONDS = 60.0
STOP_SECONDS = 25.0
ANNOUNCEMENT = "listens on "


class ServiceDidNotStartError(Exception):
    """`lirf up` ended or said nothing in time; the text is the end of its log."""


@dataclass(frozen=True)
class RunningService:
    """Where it listens, the key of its first admin, and the process that answers."""

    url: str
    admin_key: str
    pid: int


@contextmanager
def running_service(*options: str, **variables: str) -> Iterator[RunningService]:
    """Run `lirf up` in a new folder, which is deleted afterwards.

    Args:
        *options: of the command, such as ``--no-worker``.
        **variables: further environment, such as ``LIRF_DATA_DIR``. A data folder that has a first admin already
            keeps it: ``admin_key`` is then only right if ``LIRF_BOOTSTRAP_KEY`` repeats it.
    """
    key = variables.get("LIRF_BOOTSTRAP_KEY") or str(KeyText.generate())
    lifeline = Lifeline()
    with tempfile.TemporaryDirectory(prefix="lirf-demo-") as folder:
        log = Path(folder) / "service.log"
        own = {"LIRF_DATA_DIR": folder, "LIRF_PORT": "0", "LIRF_BOOTSTRAP_KEY": key}
        with log.open("wb") as stream:
            process = subprocess.Popen(  # noqa: S603  a fixed command
                [sys.executable, "-m", "app.cli", "up", *options],
                env={
                    **os.environ,
                    "LIRF_DATABASE_URL": "",
                    "LIRF_BROKER_URL": "",
                    **own,
                    **variables,
                    **lifeline.environment,
                },
                pass_fds=[lifeline.read_fd],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
            )
            try:
                yield RunningService(_announced_url(process, log), key, process.pid)
            finally:
                _stop(process)
                lifeline.close()


def _announced_url(process: subprocess.Popen[str], log: Path) -> str:
    lines: Queue[str] = Queue()
    threading.Thread(target=_read_lines, args=(process, lines), daemon=True).start()
    try:
        while line := lines.get(timeout=START_SECONDS):
            if ANNOUNCEMENT in line:
                return line.split(ANNOUNCEMENT)[1].strip()
    except Empty:
        pass
    raise ServiceDidNotStartError(log.read_text(errors="replace")[-2000:])


def _read_lines(process: subprocess.Popen[str], lines: "Queue[str]") -> None:
    """Pass the child's lines on, and an empty one when it closes its output."""
    if process.stdout is not None:
        with process.stdout as stream:
            for line in stream:
                lines.put(line)
    lines.put("")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
