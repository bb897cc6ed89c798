"""How an engine wants to be asked."""

import numpy as np
import pytest

from app.inference.engine import AT_ONCE_SECONDS, Engine, ServedNet
from app.lirf.networks import InputSpec, create
from app.lirf.recover import RecoverNet

SPEC = InputSpec(1, 8, 8, (0.5,), (0.5,))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=2)


@pytest.fixture
def served(engine: Engine) -> ServedNet:
    return ServedNet(engine.prepare(RecoverNet(create("resnet20", 10, 1).eval()), SPEC))


def test_compiled_nets_are_run_in_a_lane_per_thread_and_by_small_batches(engine: Engine) -> None:
    assert (engine.lanes, engine.largest_batch) == (2, 16)


@pytest.mark.parametrize("other", [Engine(threads=2, compiles=False), Engine("meta", threads=2)])
def test_nets_of_pytorch_are_run_one_at_a_time_by_large_batches(other: Engine) -> None:
    assert (other.lanes, other.largest_batch) == (1, 64)


def test_a_net_knows_its_pace_when_it_is_ready(served: ServedNet) -> None:
    assert 0 < served.net.pace < 1


def test_a_pass_that_was_held_up_does_not_make_a_net_slow(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = iter([2.0, 0.5, 3.0])
    monkeypatch.setattr("app.inference.engine._seconds", lambda _work: next(passes))
    ready = engine.prepare(RecoverNet(create("resnet20", 10, 1).eval()), SPEC)
    assert ready.pace == 0.5


def test_images_are_answered_at_once_if_they_take_no_longer_than_handing_them_over(
    engine: Engine, served: ServedNet
) -> None:
    image = np.zeros((1, *SPEC.shape), dtype=np.uint8)
    served.net.pace = AT_ONCE_SECONDS / 3
    assert engine.at_once(served, image)
    assert not engine.at_once(served, image.repeat(3, axis=0))
