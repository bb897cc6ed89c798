import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.inference.cache import ByteBudgetCache


def sized(budget: int) -> ByteBudgetCache[str, str]:
    return ByteBudgetCache(budget, lambda value: {value: len(value)})


def test_a_missing_value_is_built_once_however_many_wait() -> None:
    cache, built, waiting = sized(100), [], 8
    start = threading.Barrier(waiting)

    def build() -> str:
        built.append(threading.get_ident())
        time.sleep(0.05)
        return "value"

    def ask(_: int) -> str:
        start.wait()
        return cache.get("key", build)

    with ThreadPoolExecutor(waiting) as pool:
        assert set(pool.map(ask, range(waiting))) == {"value"}
    assert len(built) == 1


def test_one_slow_build_does_not_hold_up_another_key() -> None:
    cache, release = sized(100), threading.Event()

    def slow() -> str:
        assert release.wait(10)
        return "slow"

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache.get, "slow", slow)
        assert cache.get("quick", lambda: "quick") == "quick"
        release.set()
        assert waiting.result() == "slow"


def test_the_least_recently_used_value_goes_when_the_budget_is_spent() -> None:
    cache = sized(10)
    for key in ("a", "b"):
        cache.get(key, lambda key=key: key * 5)
    cache.get("a", lambda: pytest.fail("a is there"))
    cache.get("c", lambda: "c" * 5)
    assert (len(cache), cache.bytes) == (2, 10)
    cache.get("a", lambda: pytest.fail("a was used lately"))
    assert cache.get("b", lambda: "again") == "again"


def test_a_value_that_is_read_without_waiting_counts_as_used() -> None:
    cache = sized(10)
    for key in ("a", "b"):
        cache.get(key, lambda key=key: key * 5)
    assert cache.ready("a") == "aaaaa"
    cache.get("c", lambda: "c" * 5)
    assert (cache.ready("a"), cache.ready("b"), cache.ready("c")) == ("aaaaa", None, "ccccc")


def test_a_new_value_stays_though_another_was_used_while_it_was_built() -> None:
    cache = sized(5)
    cache.get("a", lambda: "a" * 5)

    def build() -> str:
        assert cache.ready("a") is not None
        assert cache.ready("b") is None
        return "b" * 5

    cache.get("b", build)
    assert cache.keys() == ["b"]


def test_a_value_is_kept_before_those_who_wait_for_it_are_told() -> None:
    building, may, told = threading.Event(), threading.Event(), list[bool]()

    def build() -> str:
        building.set()
        assert may.wait(10)
        return "value"

    def pieces_of(value: str) -> dict[str, int]:
        time.sleep(0.05)  # whoever had been told by now would have gone on
        told.append(waiting.done())
        return {value: 1}

    cache: ByteBudgetCache[str, str] = ByteBudgetCache(100, pieces_of)
    with ThreadPoolExecutor(2) as pool:
        pool.submit(cache.get, "key", build)
        assert building.wait(10)
        waiting = pool.submit(cache.get, "key", build)
        may.set()
        assert waiting.result(10) == "value"
        assert cache.ready("key") == "value"
    assert told == [False]


def test_a_value_larger_than_the_budget_is_kept_alone() -> None:
    cache = sized(3)
    cache.get("small", lambda: "x")
    cache.get("large", lambda: "y" * 50)
    assert (len(cache), cache.bytes) == (1, 50)


def test_a_piece_that_several_values_hold_is_counted_once() -> None:
    cache: ByteBudgetCache[str, dict[str, int]] = ByteBudgetCache(10, lambda value: value)
    cache.get("target", lambda: {"deep": 6, "front": 1})
    cache.get("recover", lambda: {"deep": 6, "wider front": 3})
    assert (len(cache), cache.bytes) == (2, 10)
    cache.get("another", lambda: {"other deep": 4})
    assert cache.keys() == ["another"]


def test_a_failed_build_is_told_to_all_and_tried_again() -> None:
    cache = sized(100)

    def fail() -> str:
        raise OSError("the disk is away")

    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            cache.get("key", fail)
    assert len(cache) == 0
    assert cache.get("key", lambda: "back") == "back"
