"""Where the batcher has batches run: in lanes of their own thread, or on the event loop if that is sooner."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from app.inference.batcher import Batcher, DeadlineError
from app.inference.shared_queue import Rows

from .held_engine import Engine, held, rows, run


def test_the_engine_goes_on_while_the_event_loop_is_busy(
    engine: Engine, executor: ThreadPoolExecutor
) -> None:
    async def steps() -> None:
        batcher = Batcher(engine.run, executor, largest_batch=1)
        waiting = [asyncio.create_task(batcher.submit("a", rows(i))) for i in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for _ in range(200):
            time.sleep(0.01)  # noqa: ASYNC251  that is what a busy loop does
            if len(engine.batches) == len(waiting):
                break
        assert [task.done() for task in waiting] == [False] * 5
        assert engine.batches == [("a", 1)] * 5
        await asyncio.gather(*waiting)

    run(steps)


class Lanes:
    """Answers rows with themselves; the first batches wait for one another, so that they must run at the same time."""

    def __init__(self, lanes: int) -> None:
        self.batches: list[int] = []
        self.threads: set[int] = set()
        self._together = threading.Barrier(lanes)

    def run(self, _key: str, given: Rows) -> Rows:
        self.batches.append(len(given))
        self.threads.add(threading.get_ident())
        if len(self.batches) <= self._together.parties:
            self._together.wait(10)
        return given


def in_lanes(count: int, wanted: Callable[["Batcher[str]"], list[Coroutine[Any, Any, Rows]]]) -> Lanes:
    """What two lanes did for calls that were made at the same time, each of which got its own rows back."""
    lanes = Lanes(count)

    async def steps() -> None:
        with ThreadPoolExecutor(count) as pool:
            batcher = Batcher(lanes.run, pool, lanes=count)
            answers = await asyncio.gather(*wanted(batcher))
            assert [answer[0] for answer in answers] == list(range(len(answers)))

    run(steps)
    return lanes


def test_idle_lanes_share_what_waits_and_run_at_the_same_time() -> None:
    lanes = in_lanes(2, lambda batcher: [batcher.submit("a", rows(i)) for i in range(12)])
    assert lanes.batches == [6, 6]
    assert len(lanes.threads) == 2


def test_a_request_of_many_rows_is_divided_among_the_lanes() -> None:
    lanes = in_lanes(2, lambda batcher: [batcher.submit("a", np.arange(30.0))])
    assert lanes.batches == [15, 15]


def test_rows_of_two_keys_do_not_wait_for_one_another_while_a_lane_is_idle() -> None:
    lanes = in_lanes(2, lambda batcher: [batcher.submit("a", rows(0)), batcher.submit("b", rows(1))])
    assert lanes.batches == [1, 1]
    assert len(lanes.threads) == 2


def test_rows_that_are_alone_are_run_on_the_event_loop_if_that_is_sooner(
    executor: ThreadPoolExecutor,
) -> None:
    on: list[bool] = []

    async def steps() -> None:
        here = threading.get_ident()

        def run_key(_key: str, given: Rows) -> Rows:
            on.append(threading.get_ident() == here)
            return given

        batcher = Batcher[str](
            run_key, executor, at_once=lambda key, given: key == "quick" and len(given) < 3
        )
        await batcher.submit("quick", rows(1))
        await batcher.submit("quick", rows(1, 2, 3))
        await batcher.submit("slow", rows(1))
        await asyncio.gather(*(batcher.submit("quick", rows(1)) for _ in range(2)))
        # a lane sleeps before its thread is free for anything else
        await asyncio.get_running_loop().run_in_executor(executor, int)
        await batcher.submit("quick", rows(1, 2))

    run(steps)
    assert on == [True, False, False, False, True]


def test_rows_are_not_run_on_the_event_loop_while_a_lane_works(executor: ThreadPoolExecutor) -> None:
    async def steps() -> None:
        slow = Engine()
        batcher = Batcher(slow.run, executor, at_once=lambda key, given: key == "q")  # noqa: ARG005
        busy = await held(slow, batcher)
        waiting = asyncio.create_task(batcher.submit("q", rows(1)))
        await asyncio.sleep(0.02)
        assert not waiting.done()  # and this line was reached, as the loop was free
        slow.go.set()
        await asyncio.gather(busy, waiting)

    run(steps)


def test_rows_whose_deadline_passed_are_not_run_on_the_event_loop_either(
    executor: ThreadPoolExecutor,
) -> None:
    async def steps() -> None:
        engine = Engine()
        batcher = Batcher(engine.run, executor, at_once=lambda key, given: True)  # noqa: ARG005
        with pytest.raises(DeadlineError, match="not free in time"):
            await batcher.submit("a", rows(1), timeout=-1)
        assert not engine.batches
        assert (await batcher.submit("a", rows(1), timeout=60)).tolist() == [98]

    run(steps)
