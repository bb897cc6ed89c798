from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from app.lirf.errors import InvalidInputError

IMAGE_DIMENSIONS = 4


@dataclass(frozen=True)
class InputSpec:
    """What a network reads: the shape of one image and the normalisation of its channels.

    Attributes:
        channels: number of colour channels C.
        height: pixels H.
        width: pixels W.
        mean: per channel, in units of the 0..1 range.
        std: per channel, in the same units, above zero.
    """

    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        for field, size in (("channels", self.channels), ("height", self.height), ("width", self.width)):
            if size < 1:
                raise InvalidInputError(
                    f"input.{field}", f"{size} is no size.", "Give a whole number from 1."
                )
        for field, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.channels:
                raise InvalidInputError(
                    f"input.{field}",
                    f"{len(values)} values for {self.channels} channels.",
                    "Give one value per channel.",
                )
        if min(self.std) <= 0:
            raise InvalidInputError(
                "input.std", f"{min(self.std)} is not above zero.", "Divide by more than zero."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return (self.channels, self.height, self.width)

    def require(self, images: Tensor, field: str = "images") -> Self:
        """Refuse anything that is not uint8 [N, C, H, W] of this shape."""
        if images.dtype != torch.uint8:
            raise InvalidInputError(
                field, f"pixels are {images.dtype}, not uint8.", "Give unnormalised pixels from 0 to 255."
            )
        if images.ndim != IMAGE_DIMENSIONS or tuple(images.shape[1:]) != self.shape:
            raise InvalidInputError(
                field,
                f"shape {list(images.shape)} does not fit [N, {self.channels}, {self.height}, {self.width}].",
                f"Send images of {self.height}×{self.width} pixels with {self.channels} channel(s).",
            )
        return self

    def normalise(self, images: Tensor) -> Tensor:
        """(x/255 − mean)/std per channel: uint8 [N, C, H, W] -> float32 [N, C, H, W]."""
        self.require(images)
        mean = torch.tensor(self.mean, device=images.device).view(1, -1, 1, 1)
        std = torch.tensor(self.std, device=images.device).view(1, -1, 1, 1)
        return (images.to(torch.float32) / 255 - mean) / std
