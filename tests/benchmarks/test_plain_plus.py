import pytest

from app.lirf.config import DepositConfig, Progress
from app.lirf.deposit import deposit
from benchmarks.plain_plus import deposit_plainly
from benchmarks.subject import Subject


def test_its_losses_are_those_of_the_deposit_step_by_step(subject: Subject) -> None:
    config = DepositConfig.lirf_plus(batch_size=16, epochs=1, min_steps=1, precision="float32")
    fast: list[Progress] = []
    plain: list[Progress] = []
    deposit(subject.original, subject.spec, subject.split, [subject.deposit_set], config, on_step=fast.append)
    deposit_plainly(
        subject.original, subject.spec, subject.split, subject.deposit_set, config, on_step=plain.append
    )
    assert len(fast) == len(plain) == 2
    assert plain[0].losses == pytest.approx(fast[0].losses, abs=1e-4)
    assert plain[1].losses == pytest.approx(
        fast[1].losses, rel=1e-2
    )  # Adam's first step divides by tiny slopes
