"""CIFAR-10 and CIFAR-100 in the files that torchvision keeps."""

from pathlib import Path
from typing import Literal

import torch
from torchvision.datasets import CIFAR10, CIFAR100

from app.lirf.data.dataset import ImageDataset
from app.lirf.errors import InvalidInputError

NAMES = ("cifar10", "cifar100")


def load(name: str, split: Literal["train", "test"], root: Path, *, download: bool = False) -> ImageDataset:
    """The train or test part of a torchvision data set, uint8 [N, 3, 32, 32], read from below ``root``.

    Ids are ``train-00000`` and so on, in torchvision's order. torchvision checks the files against their
    published checksums before it reads them.

    Args:
        name: ``cifar10`` or ``cifar100``.
        split: which part.
        root: folder that holds ``cifar-10-batches-py`` or ``cifar-100-python``.
        download: fetch missing files from the publisher's site.

    Raises:
        InvalidInputError: an unknown name, or files that are missing or differ from the published ones.
    """
    if name not in NAMES:
        raise InvalidInputError(
            "dataset", f"There is no torchvision data set {name!r} here.", f"Use one of: {', '.join(NAMES)}."
        )
    kind = CIFAR10 if name == "cifar10" else CIFAR100
    try:
        source = kind(str(root), train=split == "train", download=download)
    except (RuntimeError, OSError) as error:
        raise InvalidInputError(
            "dataset",
            f"The files of {name} are not in {str(root)!r}, or they differ from the published ones.",
            f"Unpack the archive so that {str(root / kind.base_folder)!r} exists, or allow the download.",
        ) from error
    return ImageDataset(
        images=torch.from_numpy(source.data).permute(0, 3, 1, 2).contiguous(),
        labels=torch.tensor(source.targets, dtype=torch.int64),
        ids=tuple(f"{split}-{row:05d}" for row in range(len(source.targets))),
        classes=tuple(source.classes),
    )
