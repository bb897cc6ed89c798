import pytest
import torch
from torch import Tensor

from app.lirf.audits.features import penultimate
from app.lirf.audits.prototypes import prototype_attack
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import class_mask
from app.lirf.networks import InputSpec, Network
from app.lirf.rows import without_rows


def clusters(spread: float, seed: int) -> tuple[Tensor, Tensor]:
    """Forty rows around each of four axes, of classes 0, 2, 4 and 6."""
    labels = torch.arange(4).repeat(40)
    noise = torch.randn(160, 4, generator=torch.Generator().manual_seed(seed))
    return torch.eye(4)[labels] + spread * noise, 2 * labels


def test_prototypes_recover_well_separated_clusters_and_are_at_chance_where_there_are_none() -> None:
    features, labels = clusters(spread=0.1, seed=0)
    tested, answers = clusters(spread=0.1, seed=1)
    predicted = prototype_attack(features, labels, tested, shots=3, draws=4)
    assert predicted.shape == (4, 160)
    assert torch.equal(predicted, answers.expand(4, -1))
    noise, _ = clusters(spread=1e4, seed=2)
    guessed = prototype_attack(noise, labels, tested, shots=3, draws=50)
    assert float((guessed == answers).double().mean()) == pytest.approx(0.25, abs=0.1)


def test_prototypes_ignore_the_length_of_a_feature() -> None:
    features, labels = clusters(spread=0.3, seed=0)
    tested, _ = clusters(spread=0.3, seed=1)
    length = torch.rand(160, 1, generator=torch.Generator().manual_seed(2)) + 0.1
    predicted = prototype_attack(features, labels, tested)
    assert len(set(predicted.flatten().tolist())) == 4
    assert torch.equal(prototype_attack(features * length, labels, tested * length), predicted)


def test_draws_differ_from_each_other_and_follow_the_seed() -> None:
    features, labels = clusters(spread=1.0, seed=0)
    tested, _ = clusters(spread=1.0, seed=1)
    first = prototype_attack(features, labels, tested, shots=1, draws=2, seed=1)
    assert not torch.equal(first[0], first[1])
    assert torch.equal(prototype_attack(features, labels, tested, shots=1, draws=2, seed=1), first)
    assert not torch.equal(prototype_attack(features, labels, tested, shots=1, draws=2, seed=2), first)


def test_five_images_per_class_undo_a_forgetting_that_only_sealed_rows(
    original: Network, spec: InputSpec, digits: tuple[Tensor, ...]
) -> None:
    hidden = without_rows(original, [3, 8])
    asked = class_mask(digits[3], [3, 8])
    held, tested = (penultimate(hidden, images, spec) for images in (digits[0], digits[2][asked]))
    predicted = prototype_attack(held, digits[1], tested)
    assert float((predicted == digits[3][asked]).double().mean()) > 0.9


@pytest.mark.parametrize(
    ("rows", "labels", "options", "message"),
    [
        (4, torch.tensor([0, 0, 0, 2]), {"shots": 2}, "shots: class 2 has 1 rows for 2 shots"),
        (2, torch.tensor([0, 1]), {"shots": 0}, "shots: 0 is too few"),
        (2, torch.tensor([0, 1]), {"shots": 1, "draws": 0}, "draws: 0 is too few"),
        (0, torch.zeros(0).long(), {}, "train_features: there are no rows"),
        (2, torch.tensor([0, -1]), {}, r"train_labels: class -1 is outside 0\.\.0"),
        (3, torch.tensor([0, 1]), {}, r"train_labels: they are torch.int64 \[2\] for 3 images"),
    ],
)
def test_an_attack_that_cannot_be_run_says_why(
    rows: int, labels: Tensor, options: dict[str, int], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        prototype_attack(torch.ones(rows, 2), labels, torch.ones(1, 2), **options)


def test_an_attack_needs_test_features_of_the_same_network() -> None:
    with pytest.raises(InvalidInputError, match="test_features: there are no rows"):
        prototype_attack(torch.ones(2, 2), torch.tensor([0, 1]), torch.ones(0, 2), shots=1)
    with pytest.raises(InvalidInputError, match=r"test_features: rows have 3 features where .* have 2"):
        prototype_attack(torch.ones(2, 2), torch.tensor([0, 1]), torch.ones(1, 3), shots=1)
