"""Values that are held once, for as long as anybody holds them."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Shared(Generic[Key, Value]):
    """Values by key, each built by one caller while the others wait, and gone with its last holder."""

    def __init__(self) -> None:
        self._values: WeakValueDictionary[Key, Value] = WeakValueDictionary()
        self._building: dict[Key, Future[Value]] = {}
        self._lock = threading.Lock()

    def get(self, key: Key, build: Callable[[], Value]) -> Value:
        """The value of ``key``; a failed build is not kept."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                return value
            awaited = self._building.get(key)
            if awaited is None:
                mine = self._building[key] = Future()
        if awaited is not None:
            return awaited.result()
        try:
            value = build()
        except BaseException as error:
            with self._lock:
                del self._building[key]
            mine.set_exception(error)
            raise
        with self._lock:
            self._values[key] = value
            del self._building[key]
        mine.set_result(value)
        return value

    def __len__(self) -> int:
        return len(self._values)
