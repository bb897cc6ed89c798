import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from app.lirf.audits.features import penultimate
from app.lirf.audits.probe import linear_probe
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import class_mask, logits
from app.lirf.networks import InputSpec, Network
from app.lirf.rows import without_rows


def share(predicted: Tensor, labels: Tensor) -> float:
    return float((predicted == labels).double().mean())


def test_a_probe_is_at_chance_on_random_features_and_perfect_on_one_hot_ones() -> None:
    labels = torch.arange(10).repeat(100)
    noise = torch.randn(2000, 16, generator=torch.Generator().manual_seed(0))
    assert share(linear_probe(noise[:1000], labels, noise[1000:], 10), labels) == pytest.approx(0.1, abs=0.04)
    hot = F.one_hot(labels, 10).float()
    assert share(linear_probe(hot, labels, hot, 10), labels) == 1


def test_a_probe_does_not_depend_on_the_scale_of_a_feature_and_answers_the_same_again() -> None:
    chance = torch.Generator().manual_seed(1)
    features, labels = torch.randn(90, 4, generator=chance), torch.arange(3).repeat(30)
    features[:, 0] += labels
    scaled = features * torch.tensor([1e-3, 1.0, 1e3, 1.0]) + 5
    predicted = linear_probe(features, labels, features, 3)
    assert len(set(predicted.tolist())) == 3
    assert torch.equal(linear_probe(features, labels, features, 3), predicted)
    assert share(linear_probe(scaled, labels, scaled, 3), predicted) > 0.98


def test_a_probe_reads_classes_that_a_sealed_output_denies(
    original: Network, spec: InputSpec, digits: tuple[Tensor, ...]
) -> None:
    hidden = without_rows(original, [3, 8])
    asked = class_mask(digits[3], [3, 8])
    assert share(logits(hidden, digits[2][asked], spec).argmax(dim=1), digits[3][asked]) == 0
    held, tested = (penultimate(hidden, images, spec) for images in (digits[0][:500], digits[2][asked]))
    assert share(linear_probe(held, digits[1][:500], tested, 10), digits[3][asked]) > 0.95


@pytest.mark.parametrize(
    ("rows", "labels", "tested", "message"),
    [
        (0, torch.zeros(0).long(), 1, "train_features: there are no rows"),
        (3, torch.tensor([0, 1]), 1, r"train_labels: they are torch.int64 \[2\] for 3 images"),
        (2, torch.tensor([0, 4]), 1, r"train_labels: class 4 is outside 0\.\.3"),
        (2, torch.tensor([3, 3]), 1, "train_labels: all are of class 3"),
        (2, torch.tensor([0, 1]), 0, "test_features: there are no rows"),
    ],
)
def test_a_probe_says_what_does_not_fit(rows: int, labels: Tensor, tested: int, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        linear_probe(torch.zeros(rows, 2), labels, torch.zeros(tested, 2), 4)


def test_a_probe_refuses_test_features_of_another_network() -> None:
    with pytest.raises(InvalidInputError, match=r"test_features: rows have 3 features where .* have 2"):
        linear_probe(torch.zeros(2, 2), torch.tensor([0, 1]), torch.zeros(1, 3), 2)
