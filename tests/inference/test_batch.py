"""The items of a batch are run as one and answered apart; what fails, fails alone."""

import asyncio

import numpy as np

from app.inference.batch import outcomes
from app.inference.shared_queue import Item, Rows

BAD = 255


class Recorder:
    """Answers an image [C, W] with the sum of its columns, of several rows as of one; refuses BAD pixels."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def run(self, _key: str, rows: Rows) -> Rows:
        self.batches.append(len(rows))
        if (rows == BAD).any():
            raise ValueError("a bad pixel")
        return rows.sum(axis=2)


def items(loop: asyncio.AbstractEventLoop, *rows: Rows) -> list[Item[str]]:
    return [Item("a", one, loop.create_future()) for one in rows]


def image(count: int, value: int) -> Rows:
    return np.full((count, 3, 2), value, np.uint8)


def test_items_are_run_as_one_batch_and_get_their_own_answers(loop: asyncio.AbstractEventLoop) -> None:
    engine = Recorder()
    found = outcomes(engine.run, items(loop, image(1, 1), image(3, 2), image(2, 3)))
    assert engine.batches == [6]
    assert [np.asarray(one).tolist() for one in found] == [[[2] * 3], [[4] * 3] * 3, [[6] * 3] * 2]


def test_rows_in_any_order_of_memory_stay_the_same_rows(loop: asyncio.AbstractEventLoop) -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 2, 3).transpose(0, 2, 1)
    found = outcomes(lambda _key, rows: rows, items(loop, pixels[::2], pixels[1:2]))
    assert np.array_equal(np.asarray(found[0]), pixels[::2])
    assert np.array_equal(np.asarray(found[1]), pixels[1:2])


def test_of_a_batch_that_fails_each_item_is_run_alone(loop: asyncio.AbstractEventLoop) -> None:
    engine = Recorder()
    good, bad, other = outcomes(engine.run, items(loop, image(1, 1), image(2, BAD), image(1, 3)))
    assert engine.batches == [4, 1, 2, 1]
    assert isinstance(bad, ValueError)
    assert [np.asarray(one).tolist() for one in (good, other)] == [[[2] * 3], [[6] * 3]]


def test_nobody_is_run_again_who_waits_no_longer(loop: asyncio.AbstractEventLoop) -> None:
    engine = Recorder()
    batch = items(loop, image(1, 1), image(1, BAD))
    batch[0].answer.cancel()
    first, second = outcomes(engine.run, batch)
    assert engine.batches == [2, 1]
    assert isinstance(first, ValueError)
    assert isinstance(second, ValueError)


def test_an_engine_that_answers_fewer_rows_than_it_got_gives_nobody_anothers_answer(
    loop: asyncio.AbstractEventLoop,
) -> None:
    (found,) = outcomes(lambda _key, rows: rows[1:], items(loop, image(2, 1)))
    assert isinstance(found, ValueError)
    assert str(found) == "1 answers to 2 rows"
