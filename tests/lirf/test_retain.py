from dataclasses import replace

import pytest
import torch
from torch import Tensor

from app.lirf.config import DepositConfig
from app.lirf.deposit import DepositResult, deposit
from app.lirf.deposit_set import DepositSet
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import class_mask, logits
from app.lirf.networks import InputSpec, Network, published_state
from app.lirf.recover import RecoverNet
from app.lirf.retain import RetainSet, draw

SPLIT = 7
Digits = tuple[Tensor, Tensor, Tensor, Tensor]


def images_of(count: int, size: int = 8) -> Tensor:
    chance = torch.Generator().manual_seed(11)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=chance)


def tensors_of(result: DepositResult) -> dict[str, Tensor]:
    return {**published_state(result.target), **result.modules[0].tensors}


def same(first: DepositResult, second: DepositResult) -> bool:
    ours, theirs = tensors_of(first), tensors_of(second)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def drift(net: Network, original: Network, images: Tensor, spec: InputSpec) -> float:
    """Mean squared change of the kept logits, up to what all of them rise alike."""
    kept = [index for index in range(10) if index not in (3, 8)]
    before, after = (logits(one, images, spec)[:, kept] for one in (original, net))
    change = after - before
    return float((change - change.mean(dim=1, keepdim=True)).square().mean())


@pytest.fixture(scope="module")
def kept(digits: Digits) -> tuple[Tensor, Tensor]:
    """Training images of the digits that stay: 128 to retain, and the others, which no deposit sees."""
    stays = digits[0][~class_mask(digits[1], (3, 8))]
    return stays[:128], stays[128:]


def test_with_kept_images_the_target_drifts_less_on_kept_images_that_no_deposit_saw(
    original: Network, deposit_set: DepositSet, spec: InputSpec, digits: Digits, kept: tuple[Tensor, Tensor]
) -> None:
    config = DepositConfig(min_steps=60)
    without = deposit(original, spec, SPLIT, [deposit_set], config)
    with_kept = deposit(original, spec, SPLIT, [deposit_set], config, retain=RetainSet(kept[0]))
    drifts = [drift(one.target, original, kept[1], spec) for one in (without, with_kept)]
    assert drifts[1] < 0.5 * drifts[0]
    recover = RecoverNet(with_kept.target, with_kept.modules)
    answers = logits(recover, digits[2], spec).argmax(dim=1)
    assert float((answers == digits[3]).double().mean()) >= 0.97


def test_a_retain_set_is_used_and_the_same_seed_draws_the_same_images_of_it(
    untrained: Network, spec: InputSpec, small_set: DepositSet, brief: DepositConfig
) -> None:
    config = replace(brief, shift=1)
    plain, first, again, other = (
        deposit(untrained, spec, SPLIT, [small_set], config, retain=retain)
        for retain in (
            None,
            RetainSet(images_of(40)),
            RetainSet(images_of(40)),
            RetainSet(255 - images_of(40)),
        )
    )
    assert same(first, again)
    assert first.curves == again.curves
    assert not same(first, plain)
    assert not same(first, other)


def test_one_kept_image_is_enough_and_a_batch_of_one_has_no_room_for_it(
    untrained: Network, spec: InputSpec, small_set: DepositSet, brief: DepositConfig
) -> None:
    for size in (1, 2, 33):
        config = replace(brief, batch_size=size, min_steps=2)
        result = deposit(
            untrained,
            spec,
            SPLIT,
            [DepositSet(small_set.images[:3], small_set.labels[:3], (3, 8))],
            config,
            retain=RetainSet(images_of(1)),
        )
        assert result.curves[-1]["total"] > 0


def test_kept_images_go_with_sets_that_share_their_classes(
    untrained: Network, spec: InputSpec, small_set: DepositSet, brief: DepositConfig
) -> None:
    shared = replace(small_set, classes=None)
    result = deposit(untrained, spec, SPLIT, [shared], brief, retain=RetainSet(images_of(8)))
    assert result.modules[0].filter.kind == "residual"


@pytest.mark.parametrize(
    ("config", "remedy"),
    [
        (DepositConfig.lirf(), "Choose the objective lirf+, or give no retain set."),
        (DepositConfig(surrogates=()), "Name a kind of surrogates, e.g. patch_mix, or give no retain set."),
    ],
)
def test_a_retain_set_that_would_not_be_used_is_refused(
    untrained: Network, spec: InputSpec, small_set: DepositSet, config: DepositConfig, remedy: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        deposit(untrained, spec, SPLIT, [small_set], config, retain=RetainSet(images_of(4)))
    assert caught.value.field == "retain"
    assert caught.value.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        (images_of(0), "there are no images"),
        (images_of(4, size=9), "does not fit [N, 3, 8, 8]"),
        (images_of(4).float(), "not uint8"),
    ],
)
def test_kept_images_that_the_network_does_not_read_are_refused(
    untrained: Network, spec: InputSpec, small_set: DepositSet, images: Tensor, problem: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        deposit(untrained, spec, SPLIT, [small_set], retain=RetainSet(images))
    assert caught.value.field == "retain.images"
    assert problem in caught.value.problem


def test_draws_reach_every_image_and_nothing_else(spec: InputSpec) -> None:
    retain = RetainSet(images_of(5))
    drawn = draw(retain, 200, spec, torch.Generator().manual_seed(0))
    assert drawn is not None
    assert drawn.shape == (200, 3, 8, 8)
    shown = {image.numpy().tobytes() for image in drawn}
    assert shown == {image.numpy().tobytes() for image in spec.normalise(retain.images)}
    assert draw(None, 200, spec, torch.Generator()) is None
