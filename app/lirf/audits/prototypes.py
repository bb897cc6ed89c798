"""The prototype attack: can a handful of images per class bring the deposited classes back?"""

import torch
from torch import Tensor
from torch.nn import functional as F

from app.lirf.audits.features import require_features
from app.lirf.checks import require_labels
from app.lirf.errors import InvalidInputError


def prototype_attack(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    shots: int = 5,
    draws: int = 20,
    seed: int = 0,
) -> Tensor:
    """Predicted classes [draws, M] by the nearest class mean (prototypical relearning, 2506.01318).

    Per draw and class c: p_c = mean of ``shots`` training rows f/‖f‖₂, drawn without repetition; the answer
    is argmax_c cos(f, p_c). Only classes of the training labels are ever predicted.

    Args:
        train_features: floating [N, F], of the images that the attacker may draw from.
        train_labels: int64 [N], from 0.
        test_features: floating [M, F], of the same network.
        shots: rows per class and draw.
        draws: repetitions, each with rows of its own.
        seed: of the draws.

    Raises:
        InvalidInputError: features or labels that do not fit, counts below one, or a class with fewer rows
            than ``shots``.
    """
    require_features(train_features, "train_features")
    # the largest label sets the bound: this attack needs no classes beyond those it holds
    require_labels(train_labels, len(train_features), _bound(train_labels), "train_labels")
    require_features(test_features, "test_features", train_features.shape[1])
    classes = _attacked_classes(train_labels, shots, draws)
    chance = torch.Generator().manual_seed(seed)
    rows, asked = F.normalize(train_features.float(), dim=1), F.normalize(test_features.float(), dim=1)
    owned = [(train_labels == index).nonzero().flatten() for index in classes]
    answers = []
    for _ in range(draws):
        drawn = [mine[torch.randperm(len(mine), generator=chance)[:shots]] for mine in owned]
        prototypes = F.normalize(torch.stack([rows[index].mean(dim=0) for index in drawn]), dim=1)
        answers.append(classes[(asked @ prototypes.T).argmax(dim=1)])
    return torch.stack(answers)


def _bound(labels: Tensor) -> int:
    return int(labels.max()) + 1 if len(labels) else 1


def _attacked_classes(labels: Tensor, shots: int, draws: int) -> Tensor:
    """Classes that occur, ascending: int64 [k]."""
    for field, value in (("shots", shots), ("draws", draws)):
        if value < 1:
            raise InvalidInputError(field, f"{value} is too few.", "Give at least one.")
    counts = torch.bincount(labels)
    classes = counts.nonzero().flatten()
    fewest = int(classes[counts[classes].argmin()])
    if int(counts[fewest]) < shots:
        raise InvalidInputError(
            "shots",
            f"class {fewest} has {int(counts[fewest])} rows for {shots} shots.",
            "Draw fewer shots, or give more images of each class.",
        )
    return classes
