"""A child process that ends with its parent, however the parent ends: it holds the reading end of a pipe.

A signal handler cannot do this, since a killed parent runs none; the operating system closes its pipes all the same.
"""

import os
import signal
import threading
from collections.abc import Callable, Mapping

VARIABLE = "LIRF_LIFELINE_FD"


class Lifeline:
    """The parent's end. Keep it as long as the child shall live."""

    def __init__(self) -> None:
        self.read_fd, self._write_fd = os.pipe()

    @property
    def environment(self) -> Mapping[str, str]:
        """What the child's environment must hold; ``read_fd`` goes into its ``pass_fds``."""
        return {VARIABLE: str(self.read_fd)}

    def close(self) -> None:
        os.close(self.read_fd)
        os.close(self._write_fd)


def follow(on_end: Callable[[], None]) -> None:
    """In the child: call ``on_end`` in a thread when the parent is gone. Without a lifeline, do nothing."""
    fd = os.environ.pop(VARIABLE, None)
    if fd is None:
        return
    threading.Thread(target=_wait, args=(int(fd), on_end), name="lifeline", daemon=True).start()


def end_process_group() -> None:
    """End this process and all that it started; jobs are safe, since their leases lapse."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def end_gently() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _wait(fd: int, on_end: Callable[[], None]) -> None:
    while os.read(fd, 1):
        pass
    on_end()
