"""A rival that runs for as long as a block of code, and of which no process stays."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.rivals.environments import FOLDER, interpreter

START_SECONDS = 90.0
STOP_SECONDS = 5.0
HOST = "127.0.0.1"
READY = {"litserve": "/health", "bentoml": "/readyz"}
TUNED: dict[str, dict[str, int]] = {
    "litserve": {"BATCH": 32, "WAIT_MS": 1, "WORKERS": 1, "API_SERVERS": 1, "THREADS": 1, "FAST_QUEUE": 1},
    "bentoml": {"BATCH": 32, "LATENCY_MS": 10_000, "WORKERS": 2, "THREADS": 1},
}
"""The best of the trials in README.md: THREADS are torch's of each worker, the rest the rival's own."""

QUIET = {
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONPATH": "",
}
"""No telemetry, no GPU, and nothing of this project within reach."""

MARK = "RIVAL_MARK"
"""A variable that all processes of one run inherit: BentoML's leave the process group of their parent."""


class RivalDidNotStartError(Exception):
    """It ended or was not ready in time; the text is the end of its log."""


@dataclass(frozen=True)
class RunningRival:
    """``url`` takes a PNG by POST; ``mark`` is what all its processes inherit."""

    url: str
    mark: str

    def processes(self) -> list[psutil.Process]:
        return _marked(self.mark)


@contextmanager
def rival(
    name: str, model: Path, port: int = 0, settings: Mapping[str, int] | None = None
) -> Iterator[RunningRival]:
    """Serve ``model`` by a rival.

    Args:
        name: ``litserve`` or ``bentoml``; its environment is made if it is not there.
        model: a file of `write_model`.
        port: of 127.0.0.1; 0 for a free one.
        settings: that differ from TUNED.

    Raises:
        RivalDidNotStartError: it ended, or was not ready within START_SECONDS.
    """
    python = interpreter(name)
    port = port or _free_port()
    mark = uuid.uuid4().hex
    chosen = TUNED[name] | dict(settings or {})
    own = {"RIVAL_MODEL": str(model.resolve()), "RIVAL_PORT": str(port), MARK: mark}
    own |= {f"RIVAL_{key}": str(value) for key, value in chosen.items()}
    with tempfile.TemporaryDirectory(prefix="rival-") as folder:
        log, ready = Path(folder) / "log", Path(folder) / "ready"
        ready.mkdir()
        with log.open("wb") as stream:
            process = subprocess.Popen(
                _command(name, python, port),
                env={**os.environ, **QUIET, "BENTOML_HOME": folder, "RIVAL_READY": str(ready), **own},
                cwd=FOLDER,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait_until_ready(process, f"http://{HOST}:{port}{READY[name]}", log)
            if name == "bentoml":
                _wait_for_workers(process, ready, chosen["WORKERS"], log)
            yield RunningRival(f"http://{HOST}:{port}/predict", mark)
        finally:
            _end(process, mark)


def _command(name: str, python: Path, port: int) -> list[str]:
    if name == "litserve":
        return [str(python), "litserve_server.py"]
    where = ["--host", HOST, "--port", str(port), "--working-dir", str(FOLDER)]
    return [str(python), "-m", "bentoml", "serve", "bentoml_service:Classifier", *where]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):  # noqa: S310  a fixed scheme
            return
        time.sleep(0.2)
    raise RivalDidNotStartError(log.read_text(errors="replace")[-3000:])


def _wait_for_workers(process: subprocess.Popen[bytes], ready: Path, workers: int, log: Path) -> None:
    """Until each has left a file: /readyz speaks for one of them, while others may still be loading."""
    end = time.monotonic() + START_SECONDS
    while len(list(ready.iterdir())) < workers:
        if process.poll() is not None or time.monotonic() > end:
            raise RivalDidNotStartError(log.read_text(errors="replace")[-3000:])
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Ask it to end, and kill all that has not done so; further rounds meet what was just being started."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    while left := _marked(mark):
        for child in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(left, timeout=STOP_SECONDS)


def _marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == mark:
                found.append(process)
    return found
