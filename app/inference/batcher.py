"""Dynamic batching: no delay while the engine is idle, larger batches while it is busy.

The rules stand here, in one file: batches are of one net and counted in rows; the queue is bounded in rows; whoever is
cancelled or too late is left out before the engine starts; and when a batch fails, each of its items is run alone, so
that a bad one fails alone.

The event loop fills the queue, and the engine's lanes empty it, each on a thread of its own and batch after batch, so
that no lane waits for another, nor for a loop that is busy with other requests. What waits is shared among idle lanes.
"""

import asyncio
import itertools
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Key = TypeVar("Key", bound=Hashable)
Rows: TypeAlias = npt.NDArray[Any]
"""[N, ...]."""

LARGEST_BATCH = 64
"""Rows; more than that takes longer without being answered faster per row."""

FEWEST_ROWS = 4
"""Rows that are not divided between two idle lanes; a lane that is free before the others takes twice as many."""

SAME_ROWS = 8
"""Larger batches are multiples of it: to meet another number of rows than the last time costs a compiled net as much
as one row of ResNet-20."""

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


@dataclass(eq=False)
class _Item(Generic[Key]):
    key: Key
    rows: Rows
    answer: "asyncio.Future[Rows]"
    deadline: float | None
    last: bool
    entered: float = field(default_factory=time.monotonic)

    @property
    def count(self) -> int:
        return len(self.rows)


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
        observe: called with key and rows of each batch, the seconds that each of its items waited, and those it took.
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
        self._lanes = lanes
        self._at_once = at_once
        self._largest_batch = largest_batch
        self._longest_queue = longest_queue
        self._observe = observe
        self._lock = threading.Lock()
        self._queue: deque[_Item[Key]] = deque()
        self._waiting = 0
        self._workers = 0
        self._computing = 0
        self._row_seconds = 0.0
        self._open = 0
        self._dispatching = False
        self._draining = False
        self._drained = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Rows that wait for the engine."""
        return self._waiting

    def requests_waiting(self) -> Counter[Key]:
        """How many calls of `submit` wait for the engine, at least with their last rows."""
        with self._lock:
            return Counter(item.key for item in self._queue if item.last)

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
        if self._waiting and self._waiting + count > self._longest_queue:
            raise QueueFullError(self._retry_after())
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else time.monotonic() + timeout
        most = self._share(count, FEWEST_ROWS)
        items = [
            _Item(key, piece, loop.create_future(), deadline, start + len(piece) == count)
            for start in range(0, count, most)
            for piece in (rows[start : start + most],)
        ]
        with self._lock:
            self._queue.extend(items)
            self._waiting += count
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
        """Take nothing new and wait until everything that was taken is answered."""
        self._draining = True
        if self._open:
            await self._drained.wait()

    def _retry_after(self) -> int:
        """Whole seconds that the queue takes at the speed that was measured, at least one."""
        return max(1, math.ceil(self._waiting * self._row_seconds / self._lanes))

    def _share(self, rows: int, fewest: int) -> int:
        """How many of so many rows are one lane's, and not fewer than are worth a batch."""
        return min(self._largest_batch, max(math.ceil(rows / self._lanes), fewest))

    def _room(self) -> int:
        """Rows that a lane takes: it leaves the others theirs, also those that will be free before it is itself."""
        others_are_busy = self._computing == self._lanes - 1
        room = self._share(self._waiting, 2 * FEWEST_ROWS if others_are_busy else FEWEST_ROWS)
        return room if room < SAME_ROWS else room - room % SAME_ROWS

    def _leave(self, item: _Item[Key]) -> None:
        """Take an item that nobody waits for any more out of the queue."""
        if item.answer.done() and not item.answer.cancelled():
            item.answer.exception()  # told by another piece of the same rows
        if item.answer.cancel() or item.answer.cancelled():
            with self._lock, suppress(ValueError):  # it is not there if the engine has taken it
                self._queue.remove(item)
                self._waiting -= item.count

    def _close_one(self) -> None:
        self._open -= 1
        if self._draining and not self._open:
            self._drained.set()

    def _soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake idle lanes once all that is ready at this moment has entered, so that it can share a batch."""
        if self._workers < self._lanes and not self._dispatching:
            self._dispatching = True
            loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._dispatching = False
        with self._lock:
            alone = self._queue[0] if len(self._queue) == 1 and not self._workers else None
            here = alone is not None and self._at_once(alone.key, alone.rows)
            starting = 1 if here else min(self._lanes - self._workers, self._batches_waiting())
            self._workers += starting
        if here:
            self._work(_directly)
            return
        for _ in range(starting):
            self._executor.submit(self._work, asyncio.get_running_loop().call_soon_threadsafe)

    def _batches_waiting(self) -> int:
        """Batches that lanes can run beside one another: one for each key, and more for many rows."""
        keys = len({item.key for item in self._queue})
        return max(keys, math.ceil(self._waiting / FEWEST_ROWS))

    def _work(self, tell: Callable[..., object]) -> None:
        """Answer batch after batch until none is left; ``tell`` calls a function on the event loop."""
        while batch := self._take(tell):
            started = time.monotonic()
            outcomes = self._outcomes(batch)
            took = time.monotonic() - started
            with self._lock:
                self._computing -= 1
            tell(self._deliver, batch, outcomes, started, took)

    def _take(self, tell: Callable[..., object]) -> list[_Item[Key]]:
        """The next batch; with an empty one the work ends, and whoever comes later wakes a lane again."""
        late: list[_Item[Key]] = []
        with self._lock:
            batch = list(self._next_batch(self._room(), late))
            self._waiting -= sum(item.count for item in (*batch, *late))
            if batch:
                self._computing += 1
            else:
                self._workers -= 1
        for item in late:
            tell(_settle, item, DeadlineError("the engine was not free in time"))
        return batch

    def _next_batch(self, room: int, late: list[_Item[Key]]) -> Iterator[_Item[Key]]:
        """The oldest item and, in their order, the items of its key that fit beside it; the late go aside."""
        key, passed_over = None, deque[_Item[Key]]()
        now = time.monotonic()
        while self._queue and room > 0:
            item = self._queue.popleft()
            if item.deadline is not None and item.deadline < now:
                late.append(item)
            elif key is None or (item.key == key and item.count <= room):
                key = item.key
                room -= item.count
                yield item
            else:
                passed_over.append(item)
        self._queue.extendleft(reversed(passed_over))

    def _outcomes(self, batch: Sequence[_Item[Key]]) -> list[Rows | Exception]:
        """Per item its own answers, or what is wrong with it."""
        try:
            return self._answers(batch)
        except Exception as error:  # noqa: BLE001  whatever it was, it belongs to one of them
            if len(batch) == 1:
                return [error]
            return [error if item.answer.done() else self._outcomes([item])[0] for item in batch]

    def _answers(self, batch: Sequence[_Item[Key]]) -> list[Rows | Exception]:
        rows = _beside([item.rows for item in batch])
        answers = self._run(batch[0].key, rows)
        if len(answers) != len(rows):
            raise ValueError(f"{len(answers)} answers to {len(rows)} rows")
        ends = itertools.accumulate(item.count for item in batch)
        return [answers[end - item.count : end] for item, end in zip(batch, ends, strict=True)]

    def _deliver(
        self, batch: Sequence[_Item[Key]], outcomes: Sequence[Rows | Exception], started: float, took: float
    ) -> None:
        for item, outcome in zip(batch, outcomes, strict=True):
            _settle(item, outcome)
        rows = sum(item.count for item in batch)
        self._row_seconds += SMOOTHING * (took / rows - self._row_seconds)
        self._observe(batch[0].key, rows, [started - item.entered for item in batch], took)


def _beside(parts: Sequence[Rows]) -> Rows:
    """``np.concatenate``, which would let go of the interpreter's lock at each part, and wait for it again."""
    first, *others = parts
    if not others:
        return first
    joined = bytearray().join(np.ascontiguousarray(part).data for part in parts)
    return np.frombuffer(joined, first.dtype).reshape(-1, *first.shape[1:])


def _directly(function: Callable[..., None], *args: object) -> None:
    function(*args)


def _settle(item: _Item[Key], outcome: Rows | Exception) -> None:
    """Tell whoever waits for the item, if anybody does; on the event loop."""
    if item.answer.done():
        return
    if isinstance(outcome, Exception):
        item.answer.set_exception(outcome)
    else:
        item.answer.set_result(outcome)
