"""Which rows make a batch, and how what waits is divided among lanes; one thread plays all of them."""

import asyncio
import time

import numpy as np
import pytest

from app.inference.shared_queue import Item, SharedQueue

LARGEST = 16


class Line:
    """A queue of two lanes, and what they take."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lanes: int = 2) -> None:
        self.queue: SharedQueue[str] = SharedQueue(lanes, LARGEST)
        self._loop = loop

    def enter(self, key: str, *counts: int, deadline: float | None = None) -> list[Item[str]]:
        items = [Item(key, np.zeros(count), self._loop.create_future(), deadline) for count in counts]
        self.queue.enter(items)
        return items

    def take(self) -> list[int]:
        """Rows of each item in the next batch."""
        return [item.count for item in self.queue.take().batch]


@pytest.fixture
def line(loop: asyncio.AbstractEventLoop) -> Line:
    return Line(loop)


def test_two_idle_lanes_take_half_of_what_waits_each(line: Line) -> None:
    line.enter("a", *[1] * 12)
    assert line.queue.wake(2) == 2
    assert (sum(line.take()), sum(line.take()), line.queue.rows) == (6, 6, 0)


def test_few_rows_are_not_divided(line: Line) -> None:
    line.enter("a", *[1] * 4)
    assert line.queue.wake(2) == 1
    assert len(line.take()) == 4


def test_a_lane_is_woken_for_each_key_and_never_more_of_them_than_there_are(line: Line) -> None:
    line.enter("a", 1)
    line.enter("b", 1)
    line.enter("c", 1)
    assert line.queue.wake(2) == 2
    assert line.queue.all_awake
    assert line.queue.wake(2) == 0


def test_a_lane_that_is_free_first_leaves_the_other_its_share_and_takes_no_less_than_twice_the_fewest(
    line: Line,
) -> None:
    line.enter("a", *[1] * 4)
    line.queue.wake(2)
    line.take()
    line.enter("a", *[1] * 40)
    line.queue.wake(1)
    assert len(line.take()) == LARGEST  # half of them would be 20
    line.queue.computed()
    assert len(line.take()) == 8  # half of 24 is 12, which is no multiple of 8
    line.queue.computed()
    assert len(line.take()) == 8
    line.queue.computed()
    assert len(line.take()) == 8  # all that is left: the other lane is busy yet


def test_larger_batches_are_multiples_of_eight_and_smaller_ones_are_not_held_back(line: Line) -> None:
    line.enter("a", *[1] * 26)
    line.queue.wake(2)
    taken = [len(line.take())]
    for _ in range(3):
        taken.append(len(line.take()))
        line.queue.computed()
    assert taken == [8, 8, 8, 2]


def test_a_batch_is_of_the_oldest_items_key_and_others_keep_their_order(
    loop: asyncio.AbstractEventLoop,
) -> None:
    line = Line(loop, lanes=1)
    for key in "abaabba":
        line.enter(key, 1)
    line.queue.wake(1)
    assert len(line.take()) == 4
    assert [item.key for item in line.queue.take().batch] == ["b"] * 3


def test_a_large_item_does_not_keep_a_small_one_behind_it_from_the_same_batch(
    loop: asyncio.AbstractEventLoop,
) -> None:
    line = Line(loop, lanes=1)
    line.enter("a", 12, 8, 4)
    line.queue.wake(1)
    assert [line.take() for _ in range(3)] == [[12, 4], [8], []]


def test_an_item_larger_than_the_room_of_a_batch_is_taken_alone(line: Line) -> None:
    line.enter("a", 16, 1)
    line.queue.wake(2)
    assert line.take() == [16]


def test_whoever_is_late_is_set_aside_and_takes_no_room(line: Line) -> None:
    late = line.enter("a", 3, deadline=time.monotonic() - 1)
    line.enter("a", 1, deadline=time.monotonic() + 60)
    line.queue.wake(1)
    taken = line.queue.take()
    assert taken.late == late
    assert [item.count for item in taken.batch] == [1]
    assert line.queue.rows == 0


def test_whoever_leaves_gives_its_room_back_once_and_a_taken_item_has_none_to_give(line: Line) -> None:
    first, second = line.enter("a", 2, 3)
    line.queue.leave(first)
    line.queue.leave(first)
    assert line.queue.rows == 3
    line.queue.wake(1)
    line.take()
    line.queue.leave(second)
    assert line.queue.rows == 0


def test_a_lane_sleeps_once_nothing_is_left_and_can_be_woken_again(line: Line) -> None:
    line.enter("a", 1)
    assert line.queue.wake(2) == 1
    assert line.take() == [1]
    line.queue.computed()
    assert line.take() == []
    assert line.queue.wake(2) == 0
    line.enter("a", 1)
    assert line.queue.wake(2) == 1


def test_an_item_is_lone_while_no_other_waits_and_every_lane_sleeps(line: Line) -> None:
    assert line.queue.lone() is None
    (item,) = line.enter("a", 1)
    assert line.queue.lone() is item
    line.enter("a", 1)
    assert line.queue.lone() is None
    line.queue.wake(1)
    line.take()
    line.enter("a", 1)
    assert line.queue.lone() is None


def test_a_callers_rows_are_divided_into_pieces_for_all_lanes(line: Line) -> None:
    assert [line.queue.piece(rows) for rows in (1, 4, 10, 30, 1000)] == [4, 4, 5, 15, LARGEST]
