"""Services that wait for their turn do nothing meanwhile: LitServe alone takes an eighth of a core to look for work."""

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psutil


def family(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


@contextmanager
def quiet(processes: Iterable[psutil.Process]) -> Iterator[None]:
    """Processes are stopped until the end of the block."""
    stopped = list(processes)
    try:
        for process in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        yield
    finally:
        for process in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
