"""Training images that an attacker holds: drawn at random, always the same ones for the same seed."""

import torch
from torch import Tensor

from app.lirf.data.dataset import ImageDataset


def some_rows(dataset: ImageDataset, count: int, share: float, seed: int) -> Tensor:
    """Indices of ``count`` random rows, of the given share of all rows if that is less, one at least: int64 [n]."""
    available = max(1, int(share * len(dataset)))
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(seed))
    return order[: min(count, available)].sort().values


def balanced_rows(dataset: ImageDataset, count: int, share: float, seed: int) -> Tensor:
    """The same with as many rows of each class that occurs, one at least: int64 [n]."""
    chance = torch.Generator().manual_seed(seed)
    labels = torch.unique(dataset.labels).tolist()
    owned = [(dataset.labels == label).nonzero().flatten() for label in labels]
    each = max(1, min(count // len(labels), int(share * min(len(rows) for rows in owned))))
    chosen = [rows[torch.randperm(len(rows), generator=chance)[:each]] for rows in owned]
    return torch.cat(chosen).sort().values
