import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from benchmarks.measure import rate, summary, taking_turns


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


def test_a_rate_counts_rows_and_leaves_the_first_runs_out() -> None:
    runs: list[int] = []

    def run(batch: Tensor) -> None:
        runs.append(len(batch))
        time.sleep(0.2 if len(runs) <= 3 else 0.01)

    assert rate(run, torch.zeros(5, 1), 0.1) == pytest.approx(5 / 0.01, rel=0.3)
    assert set(runs) == {5}
