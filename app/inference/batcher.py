"""Dynamic batching: no delay while the engine is idle, larger batches while it is busy.

Batches are of one net and counted in rows (`app.inference.shared_queue`); the queue is bounded in rows; whoever is
cancelled or too late is left out before the engine starts; a bad item fails alone (`app.inference.batch`).

The event loop fills the queue, and the engine's lanes empty it, each on a thread of its own and batch after batch, so
that no lane waits for another, nor for a loop that is busy with other requests.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic

import numpy as np

from app.inference.batch import outcomes
from app.inference.shared_queue import Item, Key, Rows, SharedQueue

LARGEST_BATCH = 64
"""Rows; more than that takes longer without being answered faster per row."""

SMOOTHING = 0.2
"""Weight of the newest batch in the measured speed."""


class QueueFullError(Exception):
    """No room for these rows; ``retry_after`` is when there should be, in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"the queue is full; ask again in {retry_after} s")
        self.retry_after = retry_after


class DeadlineError(Exception):
    """The deadline passed before the engine was free."""


class DrainingError(Exception):
    """The batcher is on its way out and takes nothing new."""


class Batcher(Generic[Key]):
    """Gathers rows for an engine of some lanes, each of which runs one batch at a time. Belongs to one event loop.

    Args:
        run: rows [N, ...] of one key -> answers [N, ...].
        executor: of at least as many threads as there are lanes.
        lanes: how many batches run at the same time.
        at_once: whether these rows, with nothing else to be done, are answered sooner than they are handed to another
            thread and back; then they are run on the event loop.
        largest_batch: rows of one batch.
        longest_queue: rows that may wait.
        observe: called with key and rows of each batch, the seconds that each of its items waited, and those it took,
            right after those who wait for the batch had their turn on the loop.
    """

    def __init__(
        self,
        run: Callable[[Key, Rows], Rows],
        executor: Executor,
        *,
        lanes: int = 1,
        at_once: Callable[[Key, Rows], bool] = lambda key, rows: False,  # noqa: ARG005
        largest_batch: int = LARGEST_BATCH,
        longest_queue: int = 16 * LARGEST_BATCH,
        observe: Callable[[Key, int, Sequence[float], float], None] = lambda key, rows, waits, took: None,  # noqa: ARG005
    ) -> None:
        self._run = run
        self._executor = executor
        self._at_once = at_once
        self._longest_queue = longest_queue
        self._observe = observe
        self._queue: SharedQueue[Key] = SharedQueue(lanes, largest_batch)
        self._row_seconds = 0.0
        self._open = 0
        self._dispatching = False
        self._draining = False
        self._drained = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Rows that wait for the engine."""
        return self._queue.rows

    def requests_waiting(self) -> Counter[Key]:
        """How many calls of `submit` wait for the engine, at least with their last rows."""
        return self._queue.requests()

    async def submit(self, key: Key, rows: Rows, timeout: float | None = None) -> Rows:  # noqa: ASYNC109
        """Answers [N, ...] to rows [N, ...], N > 0; more rows than a batch holds are answered in several.

        Cancelling it gives its rows' room back at once, and neither hangs nor changes another's answer.

        Args:
            key: rows of different keys never share a batch; those of one have the same type, and shape but for N.
            rows: not to be changed any more.
            timeout: seconds until the engine must have begun; a batch that runs is not stopped.

        Raises:
            QueueFullError: too many rows wait already.
            DeadlineError: the timeout passed first.
            DrainingError: after `drain` was called.
            Exception: of ``run``, for these rows alone.
        """
        if self._draining:
            raise DrainingError("no new work is taken")
        count = len(rows)
        if self.waiting and self.waiting + count > self._longest_queue:
            raise QueueFullError(self._retry_after())
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else time.monotonic() + timeout
        most = self._queue.piece(count)
        items = [
            Item(key, rows[start : start + most], loop.create_future(), deadline, start + most >= count)
            for start in range(0, count, most)
        ]
        self._queue.enter(items)
        self._open += 1
        self._soon(loop)
        try:
            answers = [await item.answer for item in items]
        finally:
            for item in items:
                self._leave(item)
            self._close_one()
        return answers[0] if len(answers) == 1 else np.concatenate(answers)

    async def drain(self) -> None:
        """Take nothing new and wait until everything that was taken is answered and observed."""
        self._draining = True
        if self._open:
            await self._drained.wait()
        await asyncio.sleep(0)  # until the loop has been told of the last batch

    def _retry_after(self) -> int:
        """Whole seconds that the queue takes at the speed that was measured, at least one."""
        return max(1, math.ceil(self.waiting * self._row_seconds / self._queue.lanes))

    def _leave(self, item: Item[Key]) -> None:
        """Take an item that nobody waits for any more out of the queue."""
        if item.answer.done() and not item.answer.cancelled():
            item.answer.exception()  # told by another piece of the same rows
        if item.answer.cancel() or item.answer.cancelled():
            self._queue.leave(item)

    def _close_one(self) -> None:
        self._open -= 1
        if self._draining and not self._open:
            self._drained.set()

    def _soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake idle lanes once all that is ready at this moment has entered, so that it can share a batch."""
        if not self._dispatching and not self._queue.all_awake:
            self._dispatching = True
            loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._dispatching = False
        lone = self._queue.lone()
        if lone is not None and self._at_once(lone.key, lone.rows):
            self._queue.leave(lone)
            self._deliver([lone], *self._computed([lone]))
            return
        tell = asyncio.get_running_loop().call_soon_threadsafe
        for _ in range(self._queue.wake(self._queue.lanes)):
            self._executor.submit(self._work, tell)

    def _work(self, tell: Callable[..., object]) -> None:
        """Answer batch after batch until none is left; ``tell`` has the event loop call a function."""
        while True:
            batch, late = self._queue.take()
            for item in late:
                tell(_settle, item, DeadlineError("the engine was not free in time"))
            if not batch:
                return
            computed = self._computed(batch)
            self._queue.computed()
            tell(self._deliver, batch, *computed)

    def _computed(self, batch: Sequence[Item[Key]]) -> tuple[list[Rows | Exception], float, float]:
        """The outcomes, when that was begun, and the seconds that it took."""
        started = time.monotonic()
        found = outcomes(self._run, batch)
        return found, started, time.monotonic() - started

    def _deliver(
        self, batch: Sequence[Item[Key]], found: Sequence[Rows | Exception], started: float, took: float
    ) -> None:
        for item, outcome in zip(batch, found, strict=True):
            _settle(item, outcome)
        asyncio.get_running_loop().call_soon(self._count, batch, started, took)  # behind those who go on now

    def _count(self, batch: Sequence[Item[Key]], started: float, took: float) -> None:
        rows = sum(item.count for item in batch)
        self._row_seconds += SMOOTHING * (took / rows - self._row_seconds)
        self._observe(batch[0].key, rows, [started - item.entered for item in batch], took)


def _settle(item: Item[Key], outcome: Rows | Exception) -> None:
    """Tell whoever waits for the item, if anybody does; on the event loop."""
    if item.answer.done():
        return
    if isinstance(outcome, Exception):
        item.answer.set_exception(outcome)
    else:
        item.answer.set_result(outcome)
