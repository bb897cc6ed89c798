"""Label-keeping changes of a batch [N, C, H, W]; chance comes from a CPU generator, whatever the device."""

import torch
from torch import Tensor


def shift(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Move each image by up to ``most`` pixels each way, repeating its border."""
    if most == 0:
        return images
    count, _, height, width = images.shape
    offsets = torch.randint(-most, most + 1, (2, count, 1), generator=generator)
    rows = (torch.arange(height) + offsets[0]).clamp(0, height - 1).to(images.device)
    across = (torch.arange(width) + offsets[1]).clamp(0, width - 1).to(images.device)
    sample = torch.arange(count, device=images.device)[:, None, None]
    return (
        images.permute(0, 2, 3, 1)[sample, rows[:, :, None], across[:, None, :]]
        .permute(0, 3, 1, 2)
        .contiguous()
    )


def flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the images, chosen by chance, left to right."""
    mirrored = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)  # noqa: PLR2004
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)
