"""How threads share the parts of lanes, with parts that the test holds."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from app.inference.parts import Array, Lanes, Part

SECONDS = 10


class Held:
    """A part that answers when it may, always in the same memory."""

    output_shape = (1,)

    def __init__(self, may: threading.Barrier | threading.Event) -> None:
        self._may = may
        self._memory = np.zeros((1, 1), dtype=np.float32)
        self._inside = threading.Lock()
        self.entered = threading.Semaphore(0)
        self.threads: list[int] = []

    def __call__(self, rows: npt.NDArray[Any]) -> Array:
        assert self._inside.acquire(blocking=False), "two threads in one part"
        self.threads.append(threading.get_ident())
        self.entered.release()
        assert self._may.wait(SECONDS) is not False
        self._memory[:] = rows
        self._inside.release()
        return self._memory


class Failing(Held):
    """The first time."""

    def __call__(self, rows: npt.NDArray[Any]) -> Array:
        answers = super().__call__(rows)
        if len(self.threads) == 1:
            raise RuntimeError("broken")
        return answers


def lanes(*parts: Held) -> Lanes:
    return Lanes(cast("list[Part]", parts))


def row(value: float) -> npt.NDArray[np.float32]:
    return np.full((1, 1), value, dtype=np.float32)


def test_two_threads_compute_at_the_same_time_and_each_stays_with_its_part() -> None:
    together = threading.Barrier(2)
    first, second = Held(together), Held(together)
    shared = lanes(first, second)

    def ask(value: float) -> list[float]:
        return [shared(row(value)).item() for _ in range(5)]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, (1, 2))) == [[1] * 5, [2] * 5]
    assert len(set(first.threads)) == len(set(second.threads)) == 1
    assert {*first.threads} != {*second.threads}


def test_a_thread_more_than_there_are_parts_waits_for_one() -> None:
    may = threading.Event()
    only = Held(may)
    shared = lanes(only)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shared, row(1))
        assert only.entered.acquire(timeout=SECONDS)
        second = pool.submit(shared, row(2))
        assert not only.entered.acquire(timeout=0.05)
        may.set()
        assert [one.result(SECONDS).item() for one in (first, second)] == [1, 2]


def test_an_answer_stays_as_it_was_when_the_part_answers_another() -> None:
    may = threading.Event()
    may.set()
    shared = lanes(Held(may))
    found = shared(row(1))
    shared(row(2))
    assert found.item() == 1


def test_a_part_that_fails_is_free_for_the_next() -> None:
    may = threading.Event()
    may.set()
    shared = lanes(Failing(may))
    with pytest.raises(RuntimeError, match="broken"):
        shared(row(1))
    assert shared(row(2)).item() == 2
