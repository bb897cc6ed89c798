"""Tiny real files that the tests of this folder read."""

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from app.lirf.data.dataset import ImageDataset

Encode = Callable[..., bytes]
MakeZip = Callable[..., bytes]


@pytest.fixture(scope="session")
def encode() -> Encode:
    """An encoded random image; the same seed gives the same pixels."""

    def make(seed: int = 0, *, kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (6, 4)) -> bytes:
        width, height = size
        shape = (height, width, 3) if mode == "RGB" else (height, width)
        pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind, **({"lossless": True} if kind == "WEBP" else {}))
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def make_zip() -> MakeZip:
    """A ZIP file of the given members."""

    def make(
        members: Mapping[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_DEFLATED
    ) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return buffer.getvalue()

    return make


@pytest.fixture
def dataset() -> ImageDataset:
    """Eight rows of three classes (3, 3, 2), with metadata of every type."""
    generator = torch.Generator().manual_seed(7)
    return ImageDataset(
        images=torch.randint(0, 256, (8, 3, 4, 5), dtype=torch.uint8, generator=generator),
        labels=torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]),
        ids=tuple(f"row-{row}" for row in range(8)),
        classes=("cat", "dog", "frog"),
        metadata={
            "owner": ("ann", "bob", "ann", "ann", "cy", "ann", "ann", None),
            "year": (1, 2, 3, 1, 2, 3, 1, 2),
            "sharp": (True, False, True, True, False, True, False, False),
            "score": (0.5, 1.5, None, 0.5, 1.5, 2.5, 0.5, 1.5),
        },
    )


@pytest.fixture(scope="session")
def cifar10() -> Path:
    folder = Path(__file__).parents[4] / "shared" / "data" / "cifar10"
    if not folder.is_dir():
        pytest.skip("CIFAR-10 as Parquet is not at ../shared/data/cifar10")
    return folder
