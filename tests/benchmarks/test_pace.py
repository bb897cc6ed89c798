import pytest

from benchmarks.contestants import PAIRS, contestants
from benchmarks.pace import ratios, row, steps_per_second, whole_deposit
from benchmarks.subject import Subject

LOOPS = contestants(0, batch_size=4)


@pytest.mark.parametrize("name", LOOPS)
def test_every_loop_can_be_timed_and_stops_by_itself(subject: Subject, name: str) -> None:
    assert steps_per_second(LOOPS[name], subject, seconds=0.0) > 0


def test_the_loops_of_one_objective_have_the_same_settings() -> None:
    assert LOOPS["lirf"].config == LOOPS["naive"].config == LOOPS["naive-by-term"].config
    assert LOOPS["lirf+"].config == LOOPS["naive+"].config
    assert LOOPS["lirf"].config.batch_size == LOOPS["lirf+"].config.batch_size


def test_surrogates_count_as_samples_and_an_epoch_is_over_deposit_images() -> None:
    plus, paper = (row(name, LOOPS[name], 10, [1.0, 4.0, 2.0]) for name in ("lirf+", "lirf"))
    assert (plus["samples_per_step"], paper["samples_per_step"]) == (8, 4)
    assert (plus["samples_per_second"], paper["samples_per_second"]) == (16.0, 8.0)
    assert plus["seconds_per_epoch"] == paper["seconds_per_epoch"] == 1.5


def test_a_ratio_is_of_medians_and_has_its_spread_over_the_rounds() -> None:
    rates = {name: [1.0, 1.0, 1.0] for name in LOOPS} | {"lirf+": [1.0, 3.0, 2.0], "naive": [1.0, 2.0, 4.0]}
    found = {(one["loop"], one["against"]): one for one in ratios(PAIRS, LOOPS, rates)}
    assert len(found) == len(PAIRS)
    claimed = found["lirf+", "naive"]
    assert (claimed["per_epoch"], claimed["per_sample"]) == (1.0, 2.0)
    assert claimed["rounds_per_epoch"] == [1.0, 1.5, 0.5]
    alike = found["lirf", "naive"]
    assert alike["per_epoch"] == alike["per_sample"] == 0.5


def test_a_whole_deposit_counts_all_its_epochs_and_samples(subject: Subject) -> None:
    loop = contestants(0, batch_size=16, epochs=1, min_steps=3)["lirf+"]
    found = whole_deposit(loop, subject)
    assert {name: found[name] for name in ("images", "epochs", "steps", "samples")} == {
        "images": 32,
        "epochs": 2,
        "steps": 4,
        "samples": 128,
    }
    assert found["seconds"] > 0
