from collections.abc import Callable

from app.lirf.config import DepositConfig
from benchmarks.deposit import OBJECTIVES, original, steps_per_second
from benchmarks.measure import summary, taking_turns


def test_contestants_take_turns() -> None:
    order: list[str] = []

    def contestant(name: str) -> Callable[[], float]:
        def measure() -> float:
            order.append(name)
            return float(len(order))

        return measure

    measured = taking_turns({name: contestant(name) for name in "ab"}, 2)
    assert order == ["a", "b", "a", "b"]
    assert measured == {"a": [1.0, 3.0], "b": [2.0, 4.0]}


def test_the_median_comes_with_every_repeat() -> None:
    assert summary([3.0, 1.0, 2.00049]) == {"median": 2.0, "repeats": [3.0, 1.0, 2.0]}


def test_both_objectives_can_be_timed_and_stop_by_themselves() -> None:
    net = original(0)
    for name in OBJECTIVES:
        assert steps_per_second(net, DepositConfig.of(name, batch_size=4), seconds=0.0) > 0
