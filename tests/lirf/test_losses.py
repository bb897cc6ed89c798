import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from app.lirf import losses

CLASSES = 5
BATCH = 4


def logits(seed: int, columns: int = CLASSES) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(BATCH, columns, dtype=torch.float64, generator=chance, requires_grad=True)


def features(seed: int) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(BATCH, 3, 2, 2, dtype=torch.float64, generator=chance, requires_grad=True)


LABELS = torch.tensor([0, 1, 2, 4])

GRADIENTS = {
    "attention": (lambda f: losses.attention(f, features(9).detach()), features(1)),
    "knowledge removal by logits": (
        lambda z: losses.knowledge_removal(z, LABELS, features(1), features(9).detach(), 0.7),
        logits(1),
    ),
    "knowledge removal by features": (
        lambda f: losses.knowledge_removal(logits(1), LABELS, f, features(9).detach(), 0.7),
        features(1),
    ),
    "knowledge preservation": (
        lambda z: losses.knowledge_preservation(z, logits(9).detach(), 3.0),
        logits(1),
    ),
    "recovery": (lambda z: losses.recovery(z, LABELS), logits(1)),
    "partial transfer": (lambda z: losses.partial_transfer(z, logits(9, 2).detach(), 2.0), logits(1, 2)),
    "masked removal": (lambda z: losses.masked_removal(z, logits(9).detach(), (1, 3)), logits(1)),
    "softened removal": (lambda z: losses.softened_removal(z, logits(9).detach()), logits(1)),
    "anchor": (lambda z: losses.anchor(z, logits(9).detach()), logits(1)),
    "feature matching": (lambda f: losses.feature_matching(f, features(9).detach()), features(1)),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_the_gradient_of_each_loss_agrees_with_finite_differences(name: str) -> None:
    loss, point = GRADIENTS[name]
    assert torch.autograd.gradcheck(loss, (point,))
    (slope,) = torch.autograd.grad(loss(point), point)
    assert slope.abs().max() > 1e-4


def test_distillation_is_tau_squared_times_the_divergence_of_teacher_from_student() -> None:
    student, teacher = logits(1), logits(2)
    p, q = F.softmax(teacher / 3, dim=1), F.softmax(student / 3, dim=1)
    expected = 9 * (p * (p.log() - q.log())).sum(dim=1).mean()
    assert losses.distillation(student, teacher, 3.0).item() == pytest.approx(expected.item())
    assert losses.distillation(teacher, teacher, 3.0).item() == pytest.approx(0)


def test_attention_maps_are_unit_vectors_over_the_pixels_and_blind_to_the_features_scale() -> None:
    maps = losses.attention_map(features(1))
    assert maps.shape == (BATCH, 4)
    assert torch.allclose(maps.norm(dim=1), torch.ones(BATCH, dtype=torch.float64))
    assert losses.attention(features(1), 5 * features(1)).item() == pytest.approx(0)


def test_looking_elsewhere_lowers_the_knowledge_removal_loss() -> None:
    near = losses.knowledge_removal(logits(1), LABELS, features(9), features(9), 1.0)
    far = losses.knowledge_removal(logits(1), LABELS, features(1), features(9), 1.0)
    assert far < near


def test_masked_removal_aims_at_the_originals_second_thoughts() -> None:
    original = logits(3).detach()
    aim = original.index_fill(1, torch.tensor([1, 3]), -50.0)
    assert losses.masked_removal(aim, original, (1, 3)).item() == pytest.approx(0, abs=1e-12)
    assert losses.masked_removal(original, original, (1, 3)) > 0.1


def test_masked_removal_ignores_how_sure_the_original_was_of_the_deposited_classes() -> None:
    original = logits(3).detach()
    louder = original + torch.tensor([0.0, 30.0, 0.0, 30.0, 0.0])
    student = logits(1)
    assert torch.equal(
        losses.masked_removal(student, original, (1, 3)), losses.masked_removal(student, louder, (1, 3))
    )


def test_distillation_of_one_logit_teaches_nothing() -> None:
    assert losses.partial_transfer(logits(1, 1), logits(2, 1), 2.0).item() == 0


def test_a_common_shift_is_free_for_distillation_and_costs_with_the_anchor() -> None:
    z = logits(1)
    assert losses.distillation(z + 5, z, 2.0).item() == pytest.approx(0)
    assert losses.anchor(z + 5, z).item() == pytest.approx(25)


@pytest.mark.parametrize("allowed", [tuple(range(CLASSES)), (0, 2), (1, 3, 4)])
def test_a_random_label_is_allowed_and_never_the_true_class(allowed: tuple[int, ...]) -> None:
    labels = torch.arange(CLASSES).repeat(2000)
    drawn = losses.random_labels(labels, allowed, torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == set(allowed)
    assert not bool((drawn == labels).any())
    for true in range(CLASSES):
        others = [index for index in allowed if index != true]
        counts = torch.bincount(drawn[labels == true], minlength=CLASSES)[others]
        assert counts.float() == pytest.approx(2000 / len(others), rel=0.15)


def test_random_labels_follow_their_seed() -> None:
    labels = torch.arange(CLASSES).repeat(20)
    draws = [
        losses.random_labels(labels, range(CLASSES), torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert torch.equal(draws[0], draws[1])
    assert not any(torch.equal(a, b) for a, b in itertools.pairwise(draws[1:]))
