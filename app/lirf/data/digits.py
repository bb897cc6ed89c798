"""scikit-learn's real handwritten digits: 1,797 grey images of 8 × 8 pixels, no download."""

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from sklearn.datasets import load_digits

from app.lirf.data.dataset import ImageDataset

SPLIT_SEED = 2022
TEST_SHARE = 0.2

_DEEPEST_INK = 16


def load_digits_split(split: Literal["train", "test"]) -> ImageDataset:
    """The train or test part of the digits, uint8 [N, 1, 8, 8] with 0..16 stretched to 0..255.

    The split is stratified and fixed: within each digit the rows are ordered by SHA-256 of
    ``SPLIT_SEED:row`` and the first fifth of them is the test part, so it is the same on every machine and
    library version. A row's id is ``digit-NNNN`` with its number in scikit-learn's set.
    """
    bunch = load_digits()
    test = _test_rows(bunch.target.tolist())
    rows = [row for row in range(len(bunch.target)) if (row in test) == (split == "test")]
    stretched = np.rint(bunch.images[rows] * (255 / _DEEPEST_INK)).astype(np.uint8)
    return ImageDataset(
        images=torch.from_numpy(stretched).unsqueeze(1),
        labels=torch.from_numpy(bunch.target[rows].astype(np.int64)),
        ids=tuple(f"digit-{row:04d}" for row in rows),
        classes=tuple(str(digit) for digit in range(10)),
    )


def _test_rows(labels: Sequence[int]) -> set[int]:
    chosen: set[int] = set()
    for label in set(labels):
        rows = sorted((row for row, found in enumerate(labels) if found == label), key=_draw)
        chosen.update(rows[: round(len(rows) * TEST_SHARE)])
    return chosen


def _draw(row: int) -> bytes:
    return hashlib.sha256(f"{SPLIT_SEED}:{row}".encode()).digest()
