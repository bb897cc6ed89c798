"""Dynamic batching: no delay while the engine is idle, larger batches while it is busy.

The rules stand here, in one file: batches are of one net and counted in rows; the queue is bounded in rows; whoever is
cancelled or too late is left out before the engine starts; and when a batch fails, each of its items is run alone, so
that a bad one fails alone.
"""

import asyncio
import itertools
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor

Key = TypeVar("Key", bound=Hashable)

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


@dataclass(eq=False)
class _Item(Generic[Key]):
    key: Key
    rows: Tensor
    answer: "asyncio.Future[Tensor]"
    deadline: float | None
    last: bool
    count: int
    entered: float = field(default_factory=time.monotonic)


class Batcher(Generic[Key]):
    """Gathers rows for an engine that runs one batch at a time. Belongs to one event loop.

    Args:
        run: rows [N, ...] of one key -> answers [N, ...]; called in ``executor``.
        executor: where the engine runs; its threads are the batches in flight.
        in_flight: how many batches may run at the same time.
        largest_batch: rows of one batch.
        longest_queue: rows that may wait.
        observe: called with key and rows of each batch, the seconds that each of its items waited, and those it took.
    """

    def __init__(
        self,
        run: Callable[[Key, Tensor], Tensor],
        executor: Executor,
        *,
        in_flight: int = 1,
        largest_batch: int = LARGEST_BATCH,
        longest_queue: int = 16 * LARGEST_BATCH,
        observe: Callable[[Key, int, Sequence[float], float], None] = lambda key, rows, waits, took: None,  # noqa: ARG005
    ) -> None:
        self._run = run
        self._executor = executor
        self._free = in_flight
        self._largest_batch = largest_batch
        self._longest_queue = longest_queue
        self._observe = observe
        self._queue: deque[_Item[Key]] = deque()
        self._waiting = 0
        self._row_seconds = 0.0
        self._batches: set[asyncio.Task[None]] = set()
        self._draining = False
        self._dispatching = False

    @property
    def waiting(self) -> int:
        """Rows that wait for the engine."""
        return self._waiting

    def requests_waiting(self) -> Counter[Key]:
        """How many calls of `submit` wait for the engine, at least with their last rows."""
        return Counter(item.key for item in self._queue if item.last)

    async def submit(self, key: Key, rows: Tensor, timeout: float | None = None) -> Tensor:  # noqa: ASYNC109
        """Answers [N, ...] to rows [N, ...], N > 0; more rows than a batch holds are answered in several.

        Cancelling it gives its rows' room back at once, and neither hangs nor changes another's answer.

        Args:
            key: rows of different keys never share a batch.
            rows: on the CPU.
            timeout: seconds until the engine must have begun; a batch that runs is not stopped.

        Raises:
            QueueFullError: too many rows wait already.
            DeadlineError: the timeout passed first.
            DrainingError: after `drain` was called.
            Exception: of ``run``, for these rows alone.
        """
        if self._draining:
            raise DrainingError("no new work is taken")
        count = rows.shape[0]
        if self._waiting and self._waiting + count > self._longest_queue:
            raise QueueFullError(self._retry_after())
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else time.monotonic() + timeout
        pieces = (rows,) if count <= self._largest_batch else torch.split(rows, self._largest_batch)
        items = [
            _Item(key, piece, loop.create_future(), deadline, piece is pieces[-1], piece.shape[0])
            for piece in pieces
        ]
        self._queue.extend(items)
        self._waiting += count
        self._soon()
        try:
            answers = [await item.answer for item in items]
        finally:
            for item in items:
                self._leave(item)
        return answers[0] if len(answers) == 1 else torch.cat(answers)

    async def drain(self) -> None:
        """Take nothing new and wait until everything that was taken is answered."""
        self._draining = True
        while self._batches or self._queue:
            await asyncio.wait(set(self._batches)) if self._batches else await asyncio.sleep(0)

    def _retry_after(self) -> int:
        """Whole seconds that the queue takes at the speed that was measured, at least one."""
        return max(1, math.ceil(self._waiting * self._row_seconds))

    def _leave(self, item: _Item[Key]) -> None:
        """Take an item that nobody waits for any more out of the queue."""
        if item.answer.done() and not item.answer.cancelled():
            item.answer.exception()  # told by another piece of the same rows
        if item.answer.cancel() or item.answer.cancelled():
            try:
                self._queue.remove(item)
            except ValueError:
                return
            self._waiting -= item.count

    def _soon(self) -> None:
        """Dispatch once all that is ready at this moment has entered, so that it can share a batch."""
        if self._free and not self._dispatching:
            self._dispatching = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._dispatching = False
        while self._free and (batch := list(self._next_batch())):
            self._free -= 1
            task = asyncio.get_running_loop().create_task(self._answer(batch))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    def _next_batch(self) -> Iterator[_Item[Key]]:
        """The oldest item and, in their order, the items of its key that fit beside it."""
        room, key, passed_over = self._largest_batch, None, deque[_Item[Key]]()
        while self._queue and room:
            item = self._queue.popleft()
            if item.deadline is not None and item.deadline < time.monotonic():
                self._waiting -= item.count
                _refuse(item, DeadlineError("the engine was not free in time"))
            elif key is None or (item.key == key and item.count <= room):
                key = item.key
                room -= item.count
                self._waiting -= item.count
                yield item
            else:
                passed_over.append(item)
        self._queue.extendleft(reversed(passed_over))

    async def _answer(self, batch: list[_Item[Key]]) -> None:
        started = time.monotonic()
        try:
            try:
                answers = await self._compute(batch)
            except Exception as error:  # noqa: BLE001  whatever it was, it belongs to one of them
                await self._answer_singly(batch, error)
            else:
                for item, answer in zip(batch, answers, strict=True):
                    if not item.answer.done():
                        item.answer.set_result(answer)
        finally:
            self._free += 1
            rows = sum(item.count for item in batch)
            took = time.monotonic() - started
            self._row_seconds += SMOOTHING * (took / rows - self._row_seconds)
            self._dispatch()
            self._observe(batch[0].key, rows, [started - item.entered for item in batch], took)

    async def _answer_singly(self, batch: list[_Item[Key]], error: Exception) -> None:
        for item in batch:
            if item.answer.done():
                continue
            if len(batch) == 1:
                _refuse(item, error)
                continue
            try:
                (answer,) = await self._compute([item])
            except Exception as own:  # noqa: BLE001  it goes to whoever sent the rows
                _refuse(item, own)
            else:
                if not item.answer.done():
                    item.answer.set_result(answer)

    async def _compute(self, items: list[_Item[Key]]) -> list[Tensor]:
        """Per item its own answers."""
        rows = items[0].rows if len(items) == 1 else torch.cat([item.rows for item in items])
        loop = asyncio.get_running_loop()
        answers = await loop.run_in_executor(self._executor, self._run, items[0].key, rows)
        if answers.shape[0] != rows.shape[0]:
            raise ValueError(f"{answers.shape[0]} answers to {rows.shape[0]} rows")
        ends = list(itertools.accumulate(item.count for item in items))
        return [answers[end - item.count : end] for item, end in zip(items, ends, strict=True)]


def _refuse(item: _Item[Key], error: Exception) -> None:
    if not item.answer.done():
        item.answer.set_exception(error)
