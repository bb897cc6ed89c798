"""Threads by the work of a batch; answers as torch gives them."""

import time

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from app.inference.eager import WORTH_THREADS_SECONDS, EagerNet
from app.lirf.data.images import Pixels
from app.lirf.networks import InputSpec

SPEC = InputSpec(1, 2, 2, (0.5,), (0.25,))
THREADS = 3


class Paced(nn.Module):
    """Takes so many seconds per image, and tells with how many threads it was asked."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.threads: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.threads.append(torch.get_num_threads())
        time.sleep(self.seconds * len(x))
        return x.flatten(1)


def images(count: int) -> Pixels:
    return np.arange(count * 4, dtype=np.uint8).reshape(count, 1, 2, 2)


@pytest.fixture(autouse=True)
def threads_as_before() -> object:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def served(net: Paced) -> EagerNet:
    return EagerNet(net, SPEC, threads=THREADS)


def test_one_thread_does_what_is_not_worth_waking_others() -> None:
    net = Paced(WORTH_THREADS_SECONDS / 100)
    eager = served(net)
    for _ in range(3):
        eager.probabilities(images(4))
    assert net.threads == [1, 1, 1]


def test_a_batch_with_enough_work_gets_all_threads_once_the_row_seconds_is_known() -> None:
    net = Paced(WORTH_THREADS_SECONDS / 10)
    eager = served(net)
    for count in (4, 20, 4, 20):
        eager.probabilities(images(count))
    assert net.threads == [1, THREADS, 1, THREADS]


def test_a_slow_first_pass_does_not_decide_for_ever() -> None:
    net = Paced(WORTH_THREADS_SECONDS)
    eager = served(net)
    eager.probabilities(images(1))
    net.seconds = WORTH_THREADS_SECONDS / 100
    eager._row_seconds = WORTH_THREADS_SECONDS * 0.9
    for _ in range(2):
        eager.probabilities(images(1))
    assert eager._row_seconds < WORTH_THREADS_SECONDS / 10
    eager.probabilities(images(4))
    assert net.threads[-1] == 1


def test_answers_are_the_nets_own_of_normalised_pixels() -> None:
    expected = torch.from_numpy((images(3) / np.float32(255) - 0.5) / 0.25).flatten(1).softmax(dim=1)
    assert torch.allclose(torch.from_numpy(served(Paced(0.0)).probabilities(images(3))), expected)


def test_tensors_that_two_nets_share_have_one_name() -> None:
    layer, other = nn.Linear(4, 2), nn.Linear(4, 2)
    first, second = EagerNet(nn.Sequential(layer), SPEC), EagerNet(nn.Sequential(layer, other), SPEC)
    assert first.pieces.items() <= second.pieces.items()
    assert sum(first.pieces.values()) == 4 * (4 * 2 + 2)
