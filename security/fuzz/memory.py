"""The resident memory of a process, watched while something is done to it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

LOOK_EVERY_SECONDS = 0.02
MIB = 1024 * 1024


class ResidentMemory:
    """In MiB: ``start`` and ``end`` of the watch, and the ``peak`` between them."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.start = self.peak = self.end = self._now()

    def look(self) -> None:
        self.end = self._now()
        self.peak = max(self.peak, self.end)

    def _now(self) -> float:
        own = [self._process, *self._process.children(recursive=True)]
        return sum(_resident(process) for process in own) / MIB


@contextmanager
def watched(pid: int) -> Iterator[ResidentMemory]:
    """Watch a process and its children until the block ends."""
    memory = ResidentMemory(pid)
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(LOOK_EVERY_SECONDS):
            memory.look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        stop.set()
        thread.join()


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
