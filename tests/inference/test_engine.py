"""Threads by the work of a batch; answers as torch gives them."""

import time

import pytest
import torch
from torch import Tensor, nn

from app.inference.engine import WORTH_THREADS_SECONDS, Engine, ServedNet
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


def images(count: int) -> Tensor:
    return torch.arange(count * 4, dtype=torch.uint8).reshape(count, 1, 2, 2)


@pytest.fixture(autouse=True)
def threads_as_before() -> object:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def engine() -> Engine:
    return Engine(threads=THREADS)


def test_one_thread_does_what_is_not_worth_waking_others(engine: Engine) -> None:
    net = Paced(WORTH_THREADS_SECONDS / 100)
    for _ in range(3):
        engine.probabilities(net, images(4), SPEC)
    assert net.threads == [1, 1, 1]


def test_a_batch_with_enough_work_gets_all_threads_once_the_pace_is_known(engine: Engine) -> None:
    net = Paced(WORTH_THREADS_SECONDS / 10)
    for count in (4, 20, 4, 20):
        engine.probabilities(net, images(count), SPEC)
    assert net.threads == [1, THREADS, 1, THREADS]


def test_a_slow_first_pass_does_not_decide_for_ever(engine: Engine) -> None:
    net = Paced(WORTH_THREADS_SECONDS)
    engine.probabilities(net, images(1), SPEC)
    net.seconds = WORTH_THREADS_SECONDS / 100
    engine._pace[net] = WORTH_THREADS_SECONDS * 0.9
    for _ in range(2):
        engine.probabilities(net, images(1), SPEC)
    assert engine._pace[net] < WORTH_THREADS_SECONDS / 10
    engine.probabilities(net, images(4), SPEC)
    assert net.threads[-1] == 1


def test_answers_are_the_softmax_of_the_nets_own_logits_of_normalised_pixels(engine: Engine) -> None:
    net = Paced(0.0)
    expected = ((images(3) / 255 - 0.5) / 0.25).flatten(1).softmax(dim=1)
    assert torch.allclose(engine.probabilities(net, images(3), SPEC), expected)
    assert torch.allclose(engine.answer(ServedNet(net, SPEC), images(3)), expected)
