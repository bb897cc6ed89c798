import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from app.lirf.audits.relearn import RelearnConfig, Relearned, relearn
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import accuracy, class_mask, logits
from app.lirf.networks import InputSpec, Network
from app.lirf.rows import without_rows

Attack = tuple[Tensor, Tensor, Tensor, Tensor]


@pytest.fixture
def attack(digits: tuple[Tensor, ...]) -> Attack:
    """Twenty images of each class for the attacker, and the test images of classes 3 and 8."""
    held = torch.cat([(digits[1] == index).nonzero().flatten()[:20] for index in range(10)])
    asked = class_mask(digits[3], [3, 8])
    return digits[0][held], digits[1][held], digits[2][asked], digits[3][asked]


def dep(net: Network, attack: Attack, spec: InputSpec) -> float:
    return accuracy(logits(net, attack[2], spec), attack[3])


def test_a_network_that_never_forgot_needs_no_step(
    original: Network, attack: Attack, spec: InputSpec
) -> None:
    before = dep(original, attack, spec)
    assert relearn(original, spec, *attack, before) == Relearned(0, ((0, before),))


def test_what_only_sealed_rows_hide_comes_back_long_before_an_untrained_network_learns_it(
    original: Network, untrained: Network, attack: Attack, spec: InputSpec
) -> None:
    config = RelearnConfig(share=0.7, max_steps=60)
    before = dep(original, attack, spec)
    hidden = relearn(without_rows(original, [3, 8]), spec, *attack, before, config)
    assert hidden.steps is not None
    assert hidden.curve[0][1] < 50
    assert hidden.curve[-1][0] == hidden.steps
    assert hidden.curve[-1][1] >= 0.7 * before
    fresh = relearn(untrained, spec, *attack, before, config)
    assert fresh.steps is not None
    assert 0 < 2 * hidden.steps <= fresh.steps


def test_an_attack_that_does_not_succeed_in_time_has_a_curve_and_no_steps(
    untrained: Network, attack: Attack, spec: InputSpec
) -> None:
    result = relearn(untrained, spec, *attack, 100.0, RelearnConfig(max_steps=7, every=3))
    assert result.steps is None
    assert [step for step, _ in result.curve] == [0, 3, 6, 7]


def test_the_audited_network_stays_as_it_was_and_the_attack_follows_its_seed(
    original: Network, attack: Attack, spec: InputSpec
) -> None:
    hidden = without_rows(original, [3, 8])
    before = copy.deepcopy(hidden.state_dict())

    def curve(seed: int) -> tuple[tuple[int, float], ...]:
        config = RelearnConfig(share=1.0, max_steps=3, every=2, learning_rate=1e-4, seed=seed)
        return relearn(hidden, spec, *attack, 100.0, config).curve

    first = curve(1)
    assert [step for step, _ in first] == [0, 2, 3]
    assert curve(1) == first
    assert curve(2) != first
    assert all(torch.equal(tensor, before[name]) for name, tensor in hidden.state_dict().items())
    assert not any(parameter.requires_grad for parameter in hidden.parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"share": 0.0}, r"config\.share: 0\.0 is out of range"),
        ({"share": 1.1}, r"config\.share: 1\.1 is out of range"),
        ({"max_steps": -1}, r"config\.max_steps: -1 is out of range"),
        ({"every": 0}, r"config\.every: 0 is out of range"),
        ({"batch_size": 0}, r"config\.batch_size: 0 is out of range"),
        ({"learning_rate": 0.0}, r"config\.learning_rate: 0\.0 is out of range"),
    ],
)
def test_settings_of_an_attack_that_cannot_work_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        RelearnConfig(**changes)


@pytest.mark.parametrize(
    ("place", "given", "message"),
    [
        (0, torch.zeros(2, 3, 8, 8), r"images: pixels are torch\.float32, not uint8"),
        (0, torch.zeros(2, 3, 8, 8).byte(), r"labels: they are torch\.int64 \[200\] for 2 images"),
        (1, torch.full((200,), 10), r"labels: class 10 is outside 0\.\.9"),
        (2, torch.zeros(2, 1, 8, 8).byte(), r"test_images: shape \[2, 1, 8, 8\] does not fit"),
        (2, torch.zeros(0, 3, 8, 8).byte(), "test_labels: there are no images"),
        (3, torch.tensor([3]), r"test_labels: they are torch\.int64 \[1\] for \d+ images"),
    ],
)
def test_an_attack_says_what_does_not_fit(
    untrained: Network, attack: Attack, spec: InputSpec, place: int, given: Tensor, message: str
) -> None:
    changed = [*attack]
    changed[place] = given
    with pytest.raises(InvalidInputError, match=message):
        relearn(untrained, spec, *changed, 90.0)


@pytest.mark.parametrize("given", [0.0, 100.5, float("nan")])
def test_an_attack_needs_an_accuracy_that_could_come_back(
    untrained: Network, attack: Attack, spec: InputSpec, given: float
) -> None:
    with pytest.raises(InvalidInputError, match=r"original_accuracy: .* is not above 0 and up to 100"):
        relearn(untrained, spec, *attack, given)


def test_an_attack_that_diverges_says_so(untrained: Network, attack: Attack, spec: InputSpec) -> None:
    with pytest.raises(InvalidInputError, match=r"config\.learning_rate: the loss is (nan|inf) after step"):
        relearn(untrained, spec, *attack, 100.0, RelearnConfig(learning_rate=1e30))
