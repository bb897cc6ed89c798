"""What waits for an engine, shared among its lanes: which rows make a batch, and how many. Safe to use from any thread.

A lane is awake from the call of `wake` that counts it in to the call of `take` that has nothing for it.
"""

import asyncio
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import numpy.typing as npt

Key = TypeVar("Key", bound=Hashable)
Rows: TypeAlias = npt.NDArray[Any]
"""[N, ...]."""

FEWEST_ROWS = 4
"""Rows that are not divided between two idle lanes; a lane that is free before the others takes twice as many."""

SAME_ROWS = 8
"""Larger batches are multiples of it: to meet another number of rows than the last time costs a compiled net as much
as one row of ResNet-20."""


@dataclass(eq=False)
class Item(Generic[Key]):
    """Rows that stay together.

    Attributes:
        key: rows of different keys never share a batch.
        rows: [N, ...], N > 0.
        answer: told when they are answered, refused or cancelled.
        deadline: `time.monotonic` until which the engine must have begun, or None.
        last: whether they end what one caller asked for.
        entered: `time.monotonic`.
    """

    key: Key
    rows: Rows
    answer: "asyncio.Future[Rows]"
    deadline: float | None = None
    last: bool = True
    entered: float = field(default_factory=time.monotonic)

    @property
    def count(self) -> int:
        return len(self.rows)

    def late(self, now: float) -> bool:
        """Whether the engine must have begun before ``now``."""
        return self.deadline is not None and self.deadline < now


class Taken(NamedTuple, Generic[Key]):
    """The items of one batch, and those whose deadline had passed."""

    batch: list[Item[Key]]
    late: list[Item[Key]]


class SharedQueue(Generic[Key]):
    """Items in the order of their coming.

    Args:
        lanes: how many batches run at the same time.
        largest_batch: rows of one batch.
    """

    def __init__(self, lanes: int, largest_batch: int) -> None:
        self.lanes = lanes
        self._largest_batch = largest_batch
        self._lock = threading.Lock()
        self._items: deque[Item[Key]] = deque()
        self._rows = 0
        self._awake = 0
        self._computing = 0

    @property
    def rows(self) -> int:
        """That wait."""
        return self._rows

    def requests(self) -> Counter[Key]:
        """How many callers wait, at least with their last rows."""
        with self._lock:
            return Counter(item.key for item in self._items if item.last)

    def piece(self, rows: int) -> int:
        """Into items of how many rows so many of one caller are divided, so that all lanes have their share of them."""
        return self._share(rows, FEWEST_ROWS)

    def enter(self, items: Sequence[Item[Key]]) -> None:
        with self._lock:
            self._items.extend(items)
            self._rows += sum(item.count for item in items)

    def leave(self, item: Item[Key]) -> None:
        """Give up the place of an item, if no lane has taken it."""
        with self._lock, suppress(ValueError):
            self._items.remove(item)
            self._rows -= item.count

    @property
    def all_awake(self) -> bool:
        return self._awake == self.lanes

    def lone(self) -> Item[Key] | None:
        """The item that waits, if it is the only one, in time, and every lane sleeps."""
        with self._lock:
            lone = self._items[0] if len(self._items) == 1 and not self._awake else None
            return None if lone is None or lone.late(time.monotonic()) else lone

    def wake(self, most: int) -> int:
        """Count in sleeping lanes, at most so many and one for each batch that waits; the caller sets them to work."""
        with self._lock:
            awoken = min(most, self.lanes - self._awake, self._batches())
            self._awake += awoken
            return awoken

    def take(self) -> Taken[Key]:
        """The next batch of a lane that is awake; without one, the lane sleeps.

        A batch is the oldest item and, in their order, the items of its key that fit beside it.
        """
        late: list[Item[Key]] = []
        with self._lock:
            batch = list(self._next_batch(self._room(), late))
            self._rows -= sum(item.count for item in (*batch, *late))
            if batch:
                self._computing += 1
            else:
                self._awake -= 1
        return Taken(batch, late)

    def computed(self) -> None:
        """A lane has its batch behind it."""
        with self._lock:
            self._computing -= 1

    def _batches(self) -> int:
        """That lanes can run beside one another: one for each key, and more for many rows."""
        keys = len({item.key for item in self._items})
        return max(keys, math.ceil(self._rows / FEWEST_ROWS))

    def _share(self, rows: int, fewest: int) -> int:
        """How many of so many rows are one lane's, and not fewer than are worth a batch."""
        return min(self._largest_batch, max(math.ceil(rows / self.lanes), fewest))

    def _room(self) -> int:
        """Rows that a lane takes: it leaves the others theirs, also those that will be free before it is itself."""
        others_are_busy = self._computing == self.lanes - 1
        room = self._share(self._rows, 2 * FEWEST_ROWS if others_are_busy else FEWEST_ROWS)
        return room if room < SAME_ROWS else room - room % SAME_ROWS

    def _next_batch(self, room: int, late: list[Item[Key]]) -> Iterator[Item[Key]]:
        key: Key | None = None
        passed_over: deque[Item[Key]] = deque()
        now = time.monotonic()
        while self._items and room > 0:
            item = self._items.popleft()
            if item.late(now):
                late.append(item)
            elif key is None or (item.key == key and item.count <= room):
                key = item.key
                room -= item.count
                yield item
            else:
                passed_over.append(item)
        self._items.extendleft(reversed(passed_over))
