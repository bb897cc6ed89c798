"""An engine that a test holds or lets go, and how it is asked."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np

from app.inference.batcher import Batcher
from app.inference.shared_queue import Rows

BAD = -1.0


class Engine:
    """Answers each row with itself plus a number per key; runs only while it is let go; refuses batches with BAD."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, int]] = []
        self.go = threading.Event()
        self.started = threading.Semaphore(0)
        self.go.set()

    def run(self, key: str, rows: Rows) -> Rows:
        self.started.release()
        assert self.go.wait(10)
        self.batches.append((key, len(rows)))
        if bool((rows == BAD).any()):
            raise ValueError("a bad row")
        return rows + ord(key)


def rows(*values: float) -> Rows:
    return np.array(values, dtype=np.float64)


def run(steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(steps(), 20))


async def held(engine: Engine, batcher: Batcher[str]) -> "asyncio.Task[Rows]":
    """Keep the engine busy with one row until it is let go."""
    engine.go.clear()
    busy = asyncio.create_task(batcher.submit("z", rows(0)))
    await asyncio.to_thread(engine.started.acquire)
    return busy
