import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from app.lirf.reader import RIDGE, Reader, told


def features_of(labels: Tensor, seed: int = 0) -> Tensor:
    """Two of six features tell the class, on scales that differ a thousandfold."""
    chance = torch.Generator().manual_seed(seed)
    features = torch.randn(len(labels), 6, generator=chance)
    features[:, 0] = 1e-3 * (labels == 0) + 1e-4 * features[:, 0]
    features[:, 1] = 50.0 * (labels == 1) + 5 * features[:, 1] + 300
    return features


def test_it_reads_a_class_from_features_however_small_or_far_from_zero_they_are() -> None:
    labels = torch.arange(600) % 3
    reader = Reader(3)
    reader.show(features_of(labels), labels)
    unseen = torch.arange(300) % 3
    scores = reader.scores(features_of(unseen, seed=1))
    assert float((scores.argmax(dim=1) == unseen).double().mean()) > 0.95


def test_it_gives_what_ridge_regression_on_standardised_features_gives() -> None:
    labels = torch.arange(90) % 3
    features = torch.randn(90, 4, generator=torch.Generator().manual_seed(2)).double()
    reader = Reader(3)
    reader.show(features, labels)
    rows = (features - features.mean(dim=0)) / features.std(dim=0, correction=0)
    wanted = F.one_hot(labels, 3).double()
    solution = torch.linalg.solve(
        rows.T @ rows / 90 + RIDGE * torch.eye(4), rows.T @ (wanted - wanted.mean(dim=0)) / 90
    )
    assert torch.allclose(reader.scores(features), rows @ solution + wanted.mean(dim=0), atol=5e-3)


def test_it_forgets_batches_of_long_ago() -> None:
    labels = torch.arange(300) % 3
    reader = Reader(3)
    reader.show(features_of((labels + 1) % 3), labels)
    for seed in range(60):
        reader.show(features_of(labels, seed), labels)
    scores = reader.scores(features_of(labels, seed=99))
    assert float((scores.argmax(dim=1) == labels).double().mean()) > 0.95


def test_moving_down_what_it_is_told_hides_the_own_class() -> None:
    labels = torch.arange(300) % 3
    features = features_of(labels).requires_grad_()
    reader = Reader(3)
    reader.show(features.detach(), labels)
    before = told(reader.scores(features), labels)
    (slope,) = torch.autograd.grad(before, features)
    spread = features.detach().std(dim=0)
    moved = features.detach() - 50 * slope * spread.square()
    assert float(told(reader.scores(moved), labels)) < float(before.detach())


def test_nothing_is_told_by_scores_below_zero() -> None:
    scores = torch.tensor([[-0.5, 1.0], [0.3, 0.5]])
    assert float(told(scores, torch.tensor([0, 0]))) == pytest.approx(0.3**2 / 2)
