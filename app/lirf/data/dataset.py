"""A set of labelled images held in memory, checked once at the door."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from app.lirf.errors import InvalidInputError

_PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """N labelled images of one shape.

    Attributes:
        images: uint8 [N, C, H, W], C = 1 (grey) or 3 (RGB).
        labels: int64 [N], each an index into ``classes``.
        ids: N distinct names of the rows.
        classes: the class names in the order of the network's outputs; a class may have no row.
        metadata: further columns by name, each with N values of type str, int, float, bool or None.

    Raises:
        InvalidInputError: when any of this does not hold.
    """

    images: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)
    ids: tuple[str, ...] = field(repr=False)
    classes: tuple[str, ...]
    metadata: Mapping[str, tuple[Any, ...]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        _check_images(self.images)
        _check_lengths(self)
        _check_classes(self.classes)
        _check_labels(self)
        _check_ids(self.ids)
        _check_metadata(self.metadata)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def subset(self, indices: Tensor | Sequence[int]) -> "ImageDataset":
        """The rows at ``indices`` in that order, with the same classes.

        Raises:
            InvalidInputError: no index, a repeated one, or one outside 0..N-1.
        """
        chosen = torch.as_tensor(indices, dtype=torch.int64).flatten()
        outside = chosen[(chosen < 0) | (chosen >= len(self))]
        if outside.numel():
            raise InvalidInputError(
                "indices",
                f"Row {int(outside[0])} does not exist.",
                f"The data set has rows 0 to {len(self) - 1}.",
            )
        rows = chosen.tolist()
        return ImageDataset(
            images=self.images[chosen],
            labels=self.labels[chosen],
            ids=tuple(self.ids[row] for row in rows),
            classes=self.classes,
            metadata={name: tuple(values[row] for row in rows) for name, values in self.metadata.items()},
        )

    def relabel(self, classes: Sequence[str]) -> "ImageDataset":
        """The same rows with labels that index ``classes``, matched by class name.

        Raises:
            InvalidInputError: a class with rows here is not among ``classes``.
        """
        position = {name: index for index, name in enumerate(classes)}
        present = torch.unique(self.labels).tolist()
        for label in present:
            if self.classes[label] not in position:
                raise InvalidInputError(
                    "dataset",
                    f"The data set has images of class {self.classes[label]!r}, unknown to the model.",
                    f"Use the model's class names: {', '.join(classes)}.",
                )
        table = torch.tensor([position.get(name, -1) for name in self.classes], dtype=torch.int64)
        return ImageDataset(self.images, table[self.labels], self.ids, tuple(classes), self.metadata)


def _check_images(images: Tensor) -> None:
    if images.dtype != torch.uint8 or images.dim() != 4:  # noqa: PLR2004
        raise InvalidInputError(
            "dataset.images",
            f"The images are {images.dtype} with {images.dim()} dimensions.",
            "Give a uint8 tensor of rows × channels × height × width.",
        )
    if images.shape[0] == 0:
        raise InvalidInputError("dataset", "The data set has no images.", "Give at least one image.")
    if images.shape[1] not in {1, 3} or 0 in images.shape:
        raise InvalidInputError(
            "dataset.images",
            f"The images have shape {tuple(images.shape[1:])}.",
            "Give 1 (grey) or 3 (RGB) channels and at least one pixel.",
        )


def _check_lengths(dataset: ImageDataset) -> None:
    rows = dataset.images.shape[0]
    lengths = {"labels": dataset.labels.numel(), "ids": len(dataset.ids)}
    lengths |= {f"metadata.{name}": len(values) for name, values in dataset.metadata.items()}
    for name, length in lengths.items():
        if length != rows:
            raise InvalidInputError(
                f"dataset.{name}",
                f"There are {length} values for {rows} images.",
                "Give exactly one value per image.",
            )


def _check_classes(classes: tuple[str, ...]) -> None:
    seen: set[str] = set()
    for name in classes:
        if not name or name in seen:
            raise InvalidInputError(
                "dataset.classes",
                f"The class name {name!r} is empty or given twice.",
                "Give every class a name of its own.",
            )
        seen.add(name)


def _check_labels(dataset: ImageDataset) -> None:
    labels = dataset.labels
    if labels.dtype != torch.int64 or labels.dim() != 1:
        raise InvalidInputError(
            "dataset.labels",
            f"The labels are {labels.dtype} with {labels.dim()} dimensions.",
            "Give an int64 vector.",
        )
    outside = ((labels < 0) | (labels >= len(dataset.classes))).nonzero().flatten()
    if outside.numel():
        row = int(outside[0])
        raise InvalidInputError(
            "dataset.labels",
            f"Row {row} has label {int(labels[row])}, but there are {len(dataset.classes)} classes.",
            f"Use labels 0 to {len(dataset.classes) - 1}, or name the missing classes.",
        )


def _check_ids(ids: tuple[str, ...]) -> None:
    first: dict[str, int] = {}
    for row, name in enumerate(ids):
        if first.setdefault(name, row) != row:
            raise InvalidInputError(
                "dataset.ids",
                f"Rows {first[name]} and {row} have the same id {name[:80]!r}.",
                "Give every row an id of its own.",
            )


def _check_metadata(metadata: Mapping[str, tuple[Any, ...]]) -> None:
    for name, values in metadata.items():
        for row, value in enumerate(values):
            if not isinstance(value, _PLAIN):
                raise InvalidInputError(
                    f"dataset.metadata.{name}",
                    f"Row {row} holds a {type(value).__name__}.",
                    "Use text, numbers, true/false or nothing.",
                )
