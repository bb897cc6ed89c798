"""A least-recently-used cache under a byte budget, in which each missing value is built once however many wait."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ByteBudgetCache(Generic[Key, Value]):
    """Values by key.

    Args:
        budget: bytes of all values together; the newest value stays even if it alone is larger.
        pieces_of: bytes of each piece of a value, by a name; a piece of several values is counted once.
    """

    def __init__(self, budget: int, pieces_of: Callable[[Value], Mapping[Hashable, int]]) -> None:
        self._budget = budget
        self._pieces_of = pieces_of
        self._entries: OrderedDict[Key, Future[Value]] = OrderedDict()
        self._pieces: dict[Key, Mapping[Hashable, int]] = {}
        self._lock = threading.Lock()

    def get(self, key: Key, build: Callable[[], Value]) -> Value:
        """The value of ``key``, built by one caller while the others wait; a failed build is not kept."""
        with self._lock:
            entry = self._entries.get(key)
            mine = entry is None
            if entry is None:
                entry = self._entries[key] = Future()
            self._entries.move_to_end(key)
        if mine:
            self._build(key, entry, build)
        return entry.result()

    def ready(self, key: Key) -> Value | None:
        """The value of ``key`` if it is there; never waits."""
        with self._lock:
            if key not in self._pieces:
                return None
            self._entries.move_to_end(key)
            return self._entries[key].result()

    def drop(self, condemned: Callable[[Key], bool]) -> None:
        """Let go of the values whose keys are condemned; one that is being built is kept, for its builder to judge."""
        with self._lock:
            for key in [key for key in self._pieces if condemned(key)]:
                del self._entries[key], self._pieces[key]

    def keys(self) -> list[Key]:
        """Of the values that are ready."""
        with self._lock:
            return list(self._pieces)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        distinct = {name: size for pieces in self._pieces.values() for name, size in pieces.items()}
        return sum(distinct.values())

    def _build(self, key: Key, entry: Future[Value], build: Callable[[], Value]) -> None:
        try:
            value = build()
        except BaseException as error:  # noqa: BLE001  whoever waits must be told, whatever it was
            with self._lock:
                del self._entries[key]
            entry.set_exception(error)
            return
        entry.set_result(value)
        with self._lock:
            self._pieces[key] = self._pieces_of(value)
            self._evict()

    def _evict(self) -> None:
        for key in list(self._entries):
            if self.bytes <= self._budget or len(self._pieces) == 1:
                return
            if key in self._pieces:
                del self._entries[key], self._pieces[key]
