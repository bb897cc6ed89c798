"""A linear reader of the target's features, fitted in closed form beside the deposit, whom the target escapes.

What answers no longer tell, features may still: after a deposit that only moves logits, a new last layer finds the
deposited classes again (1610.01644; 2506.01318 for prototypes). The reader is ridge regression of the classes on
the standardised features of the last batches, a linear attack that has a closed form. The target is then moved so that
its score of a deposited image's own class vanishes.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

DECAY = 7 / 8
"""Of older batches: the reader has seen about eight."""
RIDGE = 1e-2
DEVIATION = 1e-3
"""Features that vary less are not magnified further."""


class Reader:
    """Ridge regression of one-hot classes on features, from decaying moments of all batches it was shown."""

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        self._products: Tensor | None = None
        self._answers: Tensor | None = None

    @torch.no_grad()
    def show(self, features: Tensor, labels: Tensor) -> None:
        """Add a batch of features [N, F] with their classes, int64 [N]."""
        rows = torch.cat([features.double(), features.new_ones(len(features), 1, dtype=torch.float64)], dim=1)
        wanted = F.one_hot(labels, self._num_classes).double()
        self._products = _decayed(self._products, rows.T @ rows)
        self._answers = _decayed(self._answers, rows.T @ wanted)

    def scores(self, features: Tensor) -> Tensor:
        """What it reads: [N, F] -> [N, C], near 1 for the class it sees; differentiable in the features."""
        weight, bias = self._solution()
        return features @ weight.to(features) + bias.to(features)

    @torch.no_grad()
    def _solution(self) -> tuple[Tensor, Tensor]:
        """Weights [F, C] for features as they are, and biases [C], which no ridge shrinks."""
        if self._products is None or self._answers is None:
            raise RuntimeError("Show the reader a batch before asking it.")
        count = self._products[-1, -1]
        mean, wanted = self._products[-1, :-1] / count, self._answers[-1] / count
        covariance = self._products[:-1, :-1] / count - torch.outer(mean, mean)
        together = self._answers[:-1] / count - torch.outer(mean, wanted)
        deviation = covariance.diagonal().clamp_min(0).sqrt() + DEVIATION
        correlation = covariance / torch.outer(deviation, deviation)
        ridge = RIDGE * torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
        solution: Tensor = torch.linalg.solve(correlation + ridge, together / deviation[:, None])
        weight = solution / deviation[:, None]
        return weight, wanted - mean @ weight


def told(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean relu(score of the own class)²: [N, C], int64 [N] -> scalar; 0 where nothing is read."""
    own = scores.gather(1, labels[:, None])
    return own.clamp_min(0).square().mean()


def _decayed(before: Tensor | None, now: Tensor) -> Tensor:
    return now if before is None else DECAY * before + now
