"""Many encoded images to one tensor: decoded by a pool of threads, batch by batch."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from app.lirf.data.images import decode
from app.lirf.errors import InvalidInputError

MAX_DECODED_BYTES = 4 * 1024**3
_CELLS_PER_TASK = 64


class ImageStack:
    """Room for ``count`` images of one shape, filled in order; a context manager around its threads.

    Args:
        count: number of images to come.
        max_bytes: largest size of all decoded images together.
    """

    def __init__(self, count: int, *, max_bytes: int = MAX_DECODED_BYTES) -> None:
        self._count = count
        self._max_bytes = max_bytes
        self._filled = 0
        self._first = ""
        self._images = torch.empty(0, dtype=torch.uint8)
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def add(self, cells: Sequence[bytes], fields: Sequence[str]) -> None:
        """Decode ``cells`` into the next rows; ``fields`` names each of them for error messages.

        Raises:
            InvalidInputError: for the first cell that is no image or differs in shape from the first image of
                all, and when the whole stack would be larger than ``max_bytes``.
        """
        if not cells:
            return
        if self._filled == 0:
            self._reserve(cells[0], fields[0])
        tasks = [
            self._pool.submit(self._fill, self._filled + start, cells[start:stop], fields[start:stop])
            for start in range(0, len(cells), _CELLS_PER_TASK)
            for stop in [start + _CELLS_PER_TASK]
        ]
        for task in tasks:
            task.result()
        self._filled += len(cells)

    def images(self) -> Tensor:
        """The filled rows, uint8 [N, C, H, W]."""
        return self._images[: self._filled]

    def _reserve(self, cell: bytes, field: str) -> None:
        image = decode(cell, field=field)
        size = image.numel() * self._count
        if size > self._max_bytes:
            raise InvalidInputError(
                field.split(".", maxsplit=1)[0],
                f"{self._count:,} images of {tuple(image.shape)} take {size:,} bytes decoded, more than the "
                f"{self._max_bytes:,} allowed.",
                "Upload fewer or smaller images.",
            )
        self._first = field
        self._images = torch.empty((self._count, *image.shape), dtype=torch.uint8)

    def _fill(self, row: int, cells: Sequence[bytes], fields: Sequence[str]) -> None:
        expected = self._images.shape[1:]
        for offset, (cell, field) in enumerate(zip(cells, fields, strict=True)):
            image = decode(cell, field=field)
            if image.shape != expected:
                raise InvalidInputError(
                    field,
                    f"The image has shape {tuple(image.shape)}, but {self._first} has {tuple(expected)} "
                    "(channels, height, width).",
                    "Bring all images to one size and one colour mode.",
                )
            self._images[row + offset] = image
