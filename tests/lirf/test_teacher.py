from dataclasses import replace

import torch
from torch import Tensor

from app.lirf.config import DepositConfig
from app.lirf.evaluation import class_mask
from app.lirf.filters import LogitFilter, preserved_classes
from app.lirf.framing import covered, hole_corners
from app.lirf.networks import InputSpec, Network
from app.lirf.objectives import Batch, Parts
from app.lirf.partition import partition
from app.lirf.reader import Reader
from app.lirf.teacher import LOW, Teacher

Digits = tuple[Tensor, Tensor, Tensor, Tensor]
SPLIT = 7


def asked(
    original: Network,
    spec: InputSpec,
    digits: Digits,
    classes: tuple[int, ...] | None,
    config: DepositConfig,
    kept: Tensor | None = None,
) -> tuple[Batch, Teacher]:
    """A batch of 3s and 8s that belong to one set, and the teacher that was asked."""
    shallow, deep = partition(original, SPLIT)
    owner = LogitFilter.of(classes)
    parts = Parts(
        shallow=shallow,
        trunk=deep.part(0, len(deep) - 1),
        head=deep.part(len(deep) - 1),
        branches=[(owner, shallow)],
        preserved=preserved_classes(10, [owner]),
        present=tuple(range(10)),
        reader=Reader(10),
    )
    chosen = class_mask(digits[1], (3, 8)).nonzero().flatten()[:32]
    teacher = Teacher.of(shallow, parts, config)
    owners = torch.zeros(len(chosen), dtype=torch.int64)
    chance = torch.Generator().manual_seed(0)
    inputs = spec.normalise(digits[0][chosen])
    corners = hole_corners(inputs, torch.Generator().manual_seed(1))
    return teacher.batch(inputs, digits[1][chosen], owners, chance, corners, kept), teacher


def test_as_many_surrogates_as_deposit_images_join_the_batch_and_the_original_answers_all(
    original: Network, spec: InputSpec, digits: Digits
) -> None:
    batch, _ = asked(original, spec, digits, (3, 8), DepositConfig())
    assert len(batch.inputs) == 64
    assert len(batch.labels) == len(batch.owner) == len(batch.random) == 32
    with torch.no_grad():
        assert torch.allclose(batch.logits, original(batch.inputs), atol=1e-4)
    assert not batch.taught_logits.requires_grad


def test_the_target_is_taught_no_deposited_class_and_the_same_order_of_all_others(
    original: Network, spec: InputSpec, digits: Digits
) -> None:
    batch, _ = asked(original, spec, digits, (3, 8), DepositConfig(flip=False))
    low = batch.logits.mean() - LOW * batch.logits.std()
    assert bool((batch.logits[:32].argmax(dim=1)[:, None] == torch.tensor([3, 8])).any(dim=1).all())
    assert float(batch.taught_logits[:, [3, 8]].max()) <= float(low) + 0.05 * float(batch.logits.std())
    kept = list(preserved_classes(10, [LogitFilter.of((3, 8))]))
    assert torch.equal(batch.taught_logits[:, kept].argmax(dim=1), batch.logits[:, kept].argmax(dim=1))


def test_samples_that_share_their_classes_are_taught_what_the_original_says_to_them_with_a_hole(
    original: Network, spec: InputSpec, digits: Digits
) -> None:
    batch, teacher = asked(original, spec, digits, None, DepositConfig(flip=False))
    corners = hole_corners(batch.inputs[:32], torch.Generator().manual_seed(1))
    with torch.no_grad():
        unseen = original(covered(batch.inputs[:32], corners))
        taught = teacher.parts.head(batch.taught_maps[:32])
    assert torch.allclose(batch.taught_logits[:32], unseen, atol=1e-3)
    assert torch.allclose(taught, batch.taught_logits[:32], atol=0.05 * float(unseen.std()))
    assert not torch.allclose(batch.taught_logits[:32], batch.logits[:32], atol=0.1)
    assert torch.equal(batch.taught_logits[32:], batch.logits[32:])
    assert torch.equal(batch.taught_maps[32:], batch.maps[32:])


def test_a_hole_is_mirrored_with_its_image(original: Network, spec: InputSpec, digits: Digits) -> None:
    batch, _ = asked(original, spec, digits, None, DepositConfig(flip=True))
    shown = spec.normalise(digits[0][class_mask(digits[1], (3, 8)).nonzero().flatten()[:32]])
    holes = covered(shown, hole_corners(shown, torch.Generator().manual_seed(1)))
    as_given = (batch.inputs[:32] == shown).flatten(1).all(dim=1)
    assert 0 < int(as_given.sum()) < 32
    with torch.no_grad():
        wanted = original(torch.where(as_given[:, None, None, None], holes, holes.flip(3)))
    assert torch.allclose(batch.taught_logits[:32], wanted, atol=1e-3)


def test_surrogates_of_a_set_that_shares_its_classes_are_its_own_samples_moved(
    original: Network, spec: InputSpec, digits: Digits
) -> None:
    batch, _ = asked(original, spec, digits, None, DepositConfig(flip=False))
    own = (batch.inputs[32:] - batch.inputs[:32]).flatten(1).square().mean(dim=1)
    other = (batch.inputs[32:] - batch.inputs[:32].roll(1, dims=0)).flatten(1).square().mean(dim=1)
    assert float(own.min()) > 0
    assert float(own.mean()) < 0.7 * float(other.mean())


def test_kept_images_take_the_place_of_half_of_the_surrogates_and_are_not_disguised(
    original: Network, spec: InputSpec, digits: Digits
) -> None:
    kept = spec.normalise(digits[0][~class_mask(digits[1], (3, 8))][:16])
    config = DepositConfig(flip=False, surrogates=("patch_mix", "rotated_mixup"))
    without, _ = asked(original, spec, digits, (3, 8), config)
    batch, _ = asked(original, spec, digits, (3, 8), config, kept)
    assert len(batch.inputs) == len(without.inputs) == 64
    assert torch.equal(batch.inputs[:32], without.inputs[:32])
    assert torch.equal(batch.inputs[48:], kept)
    plain, _ = asked(original, spec, digits, (3, 8), replace(config, disguise=0))
    assert not torch.equal(batch.inputs[32:48], plain.inputs[32::2])
    change = (batch.inputs[32:48] - plain.inputs[32::2]).flatten(1).square().mean(dim=1).sqrt()
    assert torch.allclose(change, torch.full((16,), config.disguise), rtol=1e-3)


def test_kept_images_are_moved_and_mirrored_as_the_deposit_images_are(
    original: Network, spec: InputSpec, digits: Digits
) -> None:
    kept = spec.normalise(digits[0][~class_mask(digits[1], (3, 8))][:16])
    batch, _ = asked(original, spec, digits, (3, 8), DepositConfig(flip=True), kept)
    shown = batch.inputs[48:]
    mirrored = [torch.equal(one, before.flip(2)) for one, before in zip(shown, kept, strict=True)]
    as_before = [torch.equal(one, before) for one, before in zip(shown, kept, strict=True)]
    assert all(one or other for one, other in zip(mirrored, as_before, strict=True))
    assert any(mirrored)
    assert any(as_before)
    moved, _ = asked(original, spec, digits, (3, 8), DepositConfig(flip=False, shift=1), kept)
    assert not torch.equal(moved.inputs[48:], kept)
