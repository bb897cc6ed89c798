"""A least-recently-used cache under a byte budget, in which each missing value is built once however many wait."""

import itertools
import threading
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class _Entry(Generic[Value]):
    """A value, or what those who wait for it wait for.

    Attributes:
        built: told when the value is there.
        value: None until then.
        pieces: of the value.
        used: the larger, the later it was asked for.
    """

    def __init__(self) -> None:
        self.built: Future[Value] = Future()
        self.value: Value | None = None
        self.pieces: Mapping[Hashable, int] = {}
        self.used = 0


class ByteBudgetCache(Generic[Key, Value]):
    """Values by key, none of which is None.

    Args:
        budget: bytes of all values together; the newest value stays even if it alone is larger.
        pieces_of: bytes of each piece of a value, by a name; a piece of several values is counted once.
    """

    def __init__(self, budget: int, pieces_of: Callable[[Value], Mapping[Hashable, int]]) -> None:
        self._budget = budget
        self._pieces_of = pieces_of
        self._entries: dict[Key, _Entry[Value]] = {}
        self._lock = threading.Lock()
        self._uses = itertools.count()

    def get(self, key: Key, build: Callable[[], Value]) -> Value:
        """The value of ``key``, built by one caller while the others wait; a failed build is not kept."""
        with self._lock:
            entry = self._entries.get(key)
            mine = entry is None
            if entry is None:
                entry = self._entries[key] = _Entry()
            entry.used = next(self._uses)
        if mine:
            self._build(key, entry, build)
        return entry.built.result()

    def ready(self, key: Key) -> Value | None:
        """The value of ``key`` if it is there; never waits, not even for the lock."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        entry.used = next(self._uses)
        return entry.value

    def drop(self, condemned: Callable[[Key], bool]) -> None:
        """Let go of the values whose keys are condemned; one that is being built is kept, for its builder to judge."""
        with self._lock:
            for key in [key for key in self._there() if condemned(key)]:
                del self._entries[key]

    def keys(self) -> list[Key]:
        """Of the values that are ready."""
        with self._lock:
            return list(self._there())

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        with self._lock:
            return self._bytes()

    def _there(self) -> dict[Key, _Entry[Value]]:
        return {key: entry for key, entry in self._entries.items() if entry.value is not None}

    def _bytes(self) -> int:
        distinct = {name: size for entry in self._entries.values() for name, size in entry.pieces.items()}
        return sum(distinct.values())

    def _build(self, key: Key, entry: _Entry[Value], build: Callable[[], Value]) -> None:
        try:
            value = build()
        except BaseException as error:  # noqa: BLE001  whoever waits must be told, whatever it was
            with self._lock:
                del self._entries[key]
            entry.built.set_exception(error)
            return
        with self._lock:
            entry.value, entry.pieces, entry.used = value, self._pieces_of(value), next(self._uses)
            self._evict()
        entry.built.set_result(value)

    def _evict(self) -> None:
        there = self._there()
        for key in sorted(there, key=lambda key: there[key].used)[:-1]:
            if self._bytes() <= self._budget:
                return
            del self._entries[key]
