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
    "map matching": (
        lambda f: losses.map_matching(f, features(8).detach(), features(9).detach()),
        features(1),
    ),
    "residual matching": (lambda z: losses.residual_matching(z, logits(9).detach()), logits(1)),
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


def head(rows: int = CLASSES, width: int = 16) -> Tensor:
    """A classifier's weights whose rows sum to zero, as weight decay leaves them: [rows, width]."""
    weight = torch.randn(rows, width, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return weight - weight.mean(dim=0)


def forgotten(low: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Maps, their logits, and what T* makes of both when classes 1 and 3 are deposited."""
    weight = head()
    maps = 3 * torch.randn(BATCH, 16, 2, 2, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    z = maps.mean(dim=(2, 3)) @ weight.T
    pull = losses.forgetting_pull(weight, (1, 3))
    taught, shifted = losses.forgetful(z, maps, pull, weight, (1, 3), torch.tensor(low, dtype=z.dtype))
    return maps, z, taught, shifted


def test_the_forgetting_teacher_lowers_deposited_logits_and_keeps_the_order_of_all_others() -> None:
    _, z, taught, _ = forgotten(low=-6.0)
    assert torch.allclose(taught[:, [1, 3]], z[:, [1, 3]].clamp_max(-6.0), atol=0.3)
    lift = (taught - z)[:, [0, 2, 4]]
    assert bool((lift > 0).all())
    assert torch.allclose(lift, lift[:, :1].expand_as(lift))
    assert torch.allclose(taught.sum(dim=1), z.sum(dim=1), atol=1e-9)


def test_a_classifier_with_independent_rows_forgets_without_moving_the_preserved_logits() -> None:
    weight = head() + torch.randn(
        CLASSES, 16, generator=torch.Generator().manual_seed(7), dtype=torch.float64
    )
    change = losses.forgetting_pull(weight, (1, 3)) @ torch.tensor([[5.0], [0.0]], dtype=torch.float64)
    assert (weight @ change).flatten().tolist() == pytest.approx([0, -5, 0, 0, 0], abs=1e-6)


def test_the_forgetting_teachers_logits_are_those_of_its_maps() -> None:
    maps, _, taught, shifted = forgotten(low=-6.0)
    assert not torch.equal(shifted, maps)
    assert torch.allclose(shifted.mean(dim=(2, 3)) @ head().T, taught)


def test_the_forgetting_teacher_is_the_original_where_there_is_nothing_to_forget() -> None:
    maps, z, taught, shifted = forgotten(low=1e3)
    assert torch.equal(taught, z)
    assert torch.equal(shifted, maps)


def test_the_forgetting_teacher_leaves_maps_alone_that_the_classifier_does_not_average() -> None:
    weight, z = head(), logits(1)
    pull = losses.forgetting_pull(weight, (1, 3))
    maps = torch.ones(BATCH, 7, 2, 2, dtype=torch.float64)
    taught, same = losses.forgetful(z, maps, pull, weight, (1, 3), torch.tensor(-9.0, dtype=z.dtype))
    assert same is maps
    assert not torch.equal(taught, z)


def test_distillation_of_one_logit_teaches_nothing() -> None:
    assert losses.partial_transfer(logits(1, 1), logits(2, 1), 2.0).item() == 0


def test_map_matching_is_measured_in_the_originals_variance() -> None:
    maps, original = features(1), features(9)
    assert losses.map_matching(maps, maps, original).item() == 0
    once = losses.map_matching(maps, maps + 1, original)
    assert losses.map_matching(maps, maps + 1, 2 * original).item() == pytest.approx(once.item() / 4)


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
