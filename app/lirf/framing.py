"""Parts of images seen anew: shrunk or enlarged, turned and moved, with mirrored edges."""

import torch
from torch import Tensor
from torch.nn import functional as F

MOST_TURN = 0.26
"""Radians, 15°."""
MOST_SCALE = 0.15
MOST_SHIFT = 0.1875
"""Of half a side: three pixels of 32."""
HOLE = 4
"""Sides of an image to one of its hole."""


def framed(images: Tensor, scale: Tensor, angle: Tensor, centre: Tensor) -> Tensor:
    """What a frame in each image shows, at full size: [N, C, H, W] -> the same shape.

    Args:
        images: any floats.
        scale: the frame's side as a share of the image's, [N].
        angle: by how much it is turned, radians, [N].
        centre: from the middle, in half sides, [N, 2].
    """
    across, along = scale * angle.cos(), scale * angle.sin()
    rows = [
        torch.stack([across, -along, centre[:, 0]], dim=1),
        torch.stack([along, across, centre[:, 1]], dim=1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1).to(images), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def moved(images: Tensor, chance: torch.Generator) -> Tensor:
    """Each image slightly turned, scaled and shifted: still what it is, yet not as training showed it."""
    count = len(images)
    scale = 1 + MOST_SCALE * _around_zero(chance, count)
    angle = MOST_TURN * _around_zero(chance, count)
    return framed(images, scale, angle, MOST_SHIFT * _around_zero(chance, count, 2))


def hole_corners(images: Tensor, chance: torch.Generator) -> Tensor:
    """Where the hole of each image begins, drawn once per image: [N, C, H, W] -> int64 [N, 2]."""
    count, _, height, width = images.shape
    high, wide = height // HOLE, width // HOLE
    top = torch.randint(height - high + 1, (count,), generator=chance)
    left = torch.randint(width - wide + 1, (count,), generator=chance)
    return torch.stack([top, left], dim=1)


def covered(images: Tensor, corners: Tensor) -> Tensor:
    """Images [N, C, H, W] with a hole of a quarter of each side, zero, at their corners [N, 2] (1708.04552)."""
    height, width = images.shape[2:]
    corners = corners.to(images.device)
    rows = torch.arange(height, device=images.device)[None] - corners[:, :1]
    columns = torch.arange(width, device=images.device)[None] - corners[:, 1:]
    inside = _within(rows, height // HOLE)[:, :, None] & _within(columns, width // HOLE)[:, None, :]
    return images.masked_fill(inside[:, None], 0.0)


def _within(offsets: Tensor, length: int) -> Tensor:
    return (offsets >= 0) & (offsets < length)


def _around_zero(chance: torch.Generator, *shape: int) -> Tensor:
    """Uniform in −1..1."""
    return 2 * torch.rand(*shape, generator=chance) - 1
