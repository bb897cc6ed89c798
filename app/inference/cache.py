"""A least-recently-used cache under a byte budget, in which each missing value is built once however many wait."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ByteBudgetCache(Generic[Key, Value]):
    """Values by key.

    Args:
        budget: bytes of all values together; the newest value stays even if it alone is larger.
        size_of: bytes of one value.
    """

    def __init__(self, budget: int, size_of: Callable[[Value], int]) -> None:
        self._budget = budget
        self._size_of = size_of
        self._entries: OrderedDict[Key, Future[Value]] = OrderedDict()
        self._sizes: dict[Key, int] = {}
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

    def drop(self, condemned: Callable[[Key], bool]) -> None:
        """Let go of the values whose keys are condemned; one that is being built is kept, for its builder to judge."""
        with self._lock:
            for key in [key for key in self._sizes if condemned(key)]:
                del self._entries[key], self._sizes[key]

    def keys(self) -> list[Key]:
        """Of the values that are ready."""
        with self._lock:
            return list(self._sizes)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        return sum(self._sizes.values())

    def _build(self, key: Key, entry: Future[Value], build: Callable[[], Value]) -> None:
        try:
            value = build()
        except BaseException as error:  # noqa: BLE001  whoever waits must be told, whatever it was
            with self._lock:
                del self._entries[key]
            entry.set_exception(error)
            return
        with self._lock:
            self._sizes[key] = self._size_of(value)
            self._evict()
        entry.set_result(value)

    def _evict(self) -> None:
        for key in list(self._entries):
            if sum(self._sizes.values()) <= self._budget or len(self._sizes) == 1:
                return
            if key in self._sizes:
                del self._entries[key], self._sizes[key]
