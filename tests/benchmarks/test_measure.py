from collections.abc import Callable

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
