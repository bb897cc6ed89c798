"""The rules of dynamic batching, with an engine that is held or let go by the test."""

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.inference.batcher import Batcher, DeadlineError, DrainingError, QueueFullError
from app.inference.shared_queue import Rows

from .held_engine import BAD, Engine, held, rows, run


def test_an_idle_engine_begins_at_once_and_answers_rows_in_their_order(
    engine: Engine, executor: ThreadPoolExecutor
) -> None:
    async def steps() -> None:
        batcher = Batcher(engine.run, executor)
        assert (await batcher.submit("a", rows(1, 2, 3))).tolist() == [98, 99, 100]
        assert engine.batches == [("a", 3)]

    run(steps)


def test_while_the_engine_is_busy_rows_gather_into_batches_of_one_key(
    engine: Engine, executor: ThreadPoolExecutor
) -> None:
    async def steps() -> None:
        batcher = Batcher(engine.run, executor, largest_batch=4)
        busy = await held(engine, batcher)
        waiting = [asyncio.create_task(batcher.submit(key, rows(i))) for i, key in enumerate("abaabba")]
        await asyncio.sleep(0)
        assert batcher.waiting == 7
        engine.go.set()
        answers = [answer.item() for answer in await asyncio.gather(*waiting)]
        await busy
        assert answers == [float(i + ord(key)) for i, key in enumerate("abaabba")]
        assert engine.batches == [("z", 1), ("a", 4), ("b", 3)]

    run(steps)


def test_more_rows_than_a_batch_holds_are_answered_in_several(
    engine: Engine, executor: ThreadPoolExecutor
) -> None:
    async def steps() -> None:
        batcher = Batcher(engine.run, executor, largest_batch=4)
        answers = await batcher.submit("a", np.arange(10.0))
        assert answers.tolist() == [97 + i for i in range(10)]
        assert [count for _, count in engine.batches] == [4, 4, 2]

    run(steps)


def test_a_full_queue_refuses_and_says_when_to_come_back(
    engine: Engine, executor: ThreadPoolExecutor
) -> None:
    async def steps() -> None:
        batcher = Batcher(engine.run, executor, longest_queue=5)
        busy = await held(engine, batcher)
        waiting = [asyncio.create_task(batcher.submit("a", rows(i))) for i in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError, match="ask again in 1 s") as refusal:
            await batcher.submit("a", rows(9))
        assert refusal.value.retry_after == 1
        engine.go.set()
        await asyncio.gather(busy, *waiting)
        assert (await batcher.submit("a", rows(9))).tolist() == [106]

    run(steps)


def test_one_request_larger_than_the_queue_is_taken_when_nothing_waits(
    engine: Engine, executor: ThreadPoolExecutor
) -> None:
    async def steps() -> None:
        batcher = Batcher(engine.run, executor, largest_batch=2, longest_queue=3)
        assert len(await batcher.submit("a", np.arange(9.0))) == 9

    run(steps)


def test_whoever_waits_past_their_deadline_is_refused_and_not_computed(
    engine: Engine, executor: ThreadPoolExecutor
) -> None:
    async def steps() -> None:
        batcher = Batcher(engine.run, executor)
        busy = await held(engine, batcher)
        late = asyncio.create_task(batcher.submit("a", rows(1), timeout=0.01))
        patient = asyncio.create_task(batcher.submit("a", rows(2), timeout=10))
        await asyncio.sleep(0.05)
        engine.go.set()
        with pytest.raises(DeadlineError):
            await late
        assert (await patient).tolist() == [99]
        await busy
        assert engine.batches == [("z", 1), ("a", 1)]
        assert batcher.waiting == 0

    run(steps)


def test_a_cancelled_waiter_gives_its_room_back_and_is_not_computed(
    engine: Engine, executor: ThreadPoolExecutor
) -> None:
    async def steps() -> None:
        batcher = Batcher(engine.run, executor, longest_queue=2)
        busy = await held(engine, batcher)
        first, second = (asyncio.create_task(batcher.submit("a", rows(i))) for i in (1, 2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        assert batcher.waiting == 1
        third = asyncio.create_task(batcher.submit("a", rows(3)))
        await asyncio.sleep(0)
        engine.go.set()
        assert [answer.tolist() for answer in await asyncio.gather(second, third)] == [[99], [100]]
        await busy
        assert engine.batches == [("z", 1), ("a", 2)]

    run(steps)


def test_a_bad_row_fails_its_own_request_alone(engine: Engine, executor: ThreadPoolExecutor) -> None:
    async def steps() -> None:
        batcher = Batcher(engine.run, executor)
        busy = await held(engine, batcher)
        waiting = [asyncio.create_task(batcher.submit("a", rows(value))) for value in (1, BAD, 3)]
        await asyncio.sleep(0)
        engine.go.set()
        good, bad, other = await asyncio.gather(*waiting, return_exceptions=True)
        await busy
        assert isinstance(good, np.ndarray)
        assert isinstance(other, np.ndarray)
        assert (good.tolist(), other.tolist()) == ([98], [100])
        assert isinstance(bad, ValueError)

    run(steps)


def test_draining_answers_what_was_taken_and_takes_nothing_new(
    engine: Engine, executor: ThreadPoolExecutor
) -> None:
    async def steps() -> None:
        batcher = Batcher(engine.run, executor)
        busy = await held(engine, batcher)
        waiting = asyncio.create_task(batcher.submit("a", rows(1)))
        await asyncio.sleep(0)
        draining = asyncio.create_task(batcher.drain())
        await asyncio.sleep(0)
        with pytest.raises(DrainingError):
            await batcher.submit("a", rows(2))
        assert not draining.done()
        engine.go.set()
        await asyncio.gather(busy, draining)
        assert (await waiting).tolist() == [98]

    run(steps)


def test_each_batch_is_observed_with_its_rows_and_times(engine: Engine, executor: ThreadPoolExecutor) -> None:
    seen: list[tuple[str, int, Sequence[float], float]] = []

    async def steps() -> None:
        batcher = Batcher(engine.run, executor, observe=lambda *batch: seen.append(batch))
        busy = await held(engine, batcher)
        waiting = [asyncio.create_task(batcher.submit("a", rows(*values))) for values in ((1, 2), (3,))]
        await asyncio.sleep(0.05)
        engine.go.set()
        await asyncio.gather(busy, *waiting)

    run(steps)
    _, (key, count, waits, took) = seen
    assert (key, count, len(waits)) == ("a", 3, 2)
    assert all(0.05 <= waited < 5 for waited in waits)
    assert 0 < took < 5


def test_what_waits_is_told_by_key_and_a_call_of_many_rows_counts_once(
    engine: Engine, executor: ThreadPoolExecutor
) -> None:
    async def steps() -> None:
        batcher = Batcher(engine.run, executor, largest_batch=2)
        busy = await held(engine, batcher)
        waiting = [asyncio.create_task(batcher.submit(key, rows(1, 2, 3))) for key in "aab"]
        await asyncio.sleep(0)
        assert batcher.requests_waiting() == {"a": 2, "b": 1}
        engine.go.set()
        await asyncio.gather(busy, *waiting)
        assert batcher.requests_waiting() == {}

    run(steps)


@pytest.mark.parametrize("seed", range(5))
def test_cancelling_any_subset_neither_hangs_nor_swaps_answers(
    executor: ThreadPoolExecutor, seed: int
) -> None:
    """Every answer is a checksum of its own rows, so a swapped one shows."""
    chance = random.Random(seed)

    def checksum(key: str, given: Rows) -> Rows:
        if bool((given == BAD).any()):
            raise ValueError("a bad row")
        return given * 2 + ord(key)

    async def steps() -> None:
        batcher = Batcher(checksum, executor, largest_batch=8, longest_queue=10**6)

        async def one(number: int) -> bool | None:
            key, count = chance.choice("abc"), chance.randint(1, 20)
            given = np.full((count,), BAD if chance.random() < 0.02 else float(number))
            if chance.random() < 0.5:
                await asyncio.sleep(chance.random() * 0.02)
            try:
                answer = await batcher.submit(key, given, timeout=chance.choice([None, 0.001, 5.0]))
            except (DeadlineError, ValueError):
                return None
            return bool(np.array_equal(answer, given * 2 + ord(key)))

        tasks = [asyncio.create_task(one(number)) for number in range(600)]
        for task in tasks:
            if chance.random() < 0.4:
                asyncio.get_running_loop().call_later(chance.random() * 0.05, task.cancel)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert batcher.waiting == 0
        answered = [result for result in results if isinstance(result, bool)]
        assert all(answered)
        assert len(answered) > 100
        assert {type(result) for result in results} <= {bool, type(None), asyncio.CancelledError}
        await batcher.drain()

    run(steps)
