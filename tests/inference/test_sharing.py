"""Held once, and gone with its last holder."""

import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.inference.sharing import Shared


class Thing:
    pass


def test_a_value_is_built_once_however_many_wait() -> None:
    shared, waiting = Shared[str, Thing](), 8
    start, release, built = threading.Barrier(waiting), threading.Event(), list[int]()

    def build() -> Thing:
        built.append(1)
        assert release.wait(10)
        return Thing()

    def ask(_: int) -> Thing:
        start.wait()
        return shared.get("key", build)

    with ThreadPoolExecutor(waiting) as pool:
        asked = [pool.submit(ask, number) for number in range(waiting)]
        release.set()
        found = {id(one.result()) for one in asked}
    assert (len(found), len(built)) == (1, 1)


def test_a_value_that_nobody_holds_is_gone() -> None:
    shared = Shared[str, Thing]()
    held = shared.get("key", Thing)
    assert shared.get("key", lambda: pytest.fail("it is there")) is held
    del held
    gc.collect()
    assert len(shared) == 0
    assert isinstance(shared.get("key", Thing), Thing)


def test_a_failed_build_is_told_and_tried_again() -> None:
    shared = Shared[str, Thing]()

    def fail() -> Thing:
        raise OSError("the disk is away")

    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            shared.get("key", fail)
    assert isinstance(shared.get("key", Thing), Thing)
