"""Off-manifold inputs made from the deposit set alone.

The preserved data is not there when a deposit runs. Images taken apart and put together anew still excite the
preserved classes of T0, which can then teach both branches there. All functions keep the shape [N, C, H, W].
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from app.lirf.framing import framed


def patch_mix(images: Tensor, generator: torch.Generator) -> Tensor:
    """A 2×2 collage: each quadrant comes from another image."""
    half_height, half_width = images.shape[2] // 2, images.shape[3] // 2
    mixed = images.clone()
    for top in (slice(None, half_height), slice(half_height, None)):
        for left in (slice(None, half_width), slice(half_width, None)):
            mixed[:, :, top, left] = images[_shuffle(images, generator)][:, :, top, left]
    return mixed


def patch_shuffle(images: Tensor, generator: torch.Generator) -> Tensor:
    """A 2×2 collage whose quadrants also change places; images of odd size keep them."""
    mixed = patch_mix(images, generator)
    height, width = images.shape[2] // 2, images.shape[3] // 2
    if images.shape[2] % 2 or images.shape[3] % 2:
        return mixed
    shifts = torch.randint(0, 2, (2,), generator=generator).tolist()
    return mixed.roll((shifts[0] * height, shifts[1] * width), dims=(2, 3))


def rotated_mixup(images: Tensor, generator: torch.Generator) -> Tensor:
    """λ·x + (1−λ)·(another image turned by a quarter, half or three quarters), λ ~ U(0.3, 0.7)."""
    turns = int(torch.randint(1, 4, (1,), generator=generator))
    if images.shape[2] != images.shape[3]:
        turns = 2
    share = 0.3 + 0.4 * torch.rand(len(images), 1, 1, 1, generator=generator).to(images)
    return share * images + (1 - share) * torch.rot90(images[_shuffle(images, generator)], turns, dims=(2, 3))


def channel_permutation(images: Tensor, generator: torch.Generator) -> Tensor:
    """One random order of the colour channels for the whole batch, on a 2×2 collage."""
    order = torch.randperm(images.shape[1], generator=generator).to(images.device)
    return patch_mix(images, generator)[:, order]


def turned_crop(images: Tensor, generator: torch.Generator) -> Tensor:
    """30 to 70 % of the side, turned by any angle and enlarged: texture without collage seams or whole objects.

    Nearest to preserved images in what matters here: a module that has seen D_r alone takes both for its own.
    """
    count = len(images)
    scale = 0.3 + 0.4 * torch.rand(count, generator=generator)
    angle = 2 * math.pi * torch.rand(count, generator=generator)
    return framed(images, scale, angle, torch.rand(count, 2, generator=generator) - 0.5)


KINDS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "patch_mix": patch_mix,
    "patch_shuffle": patch_shuffle,
    "rotated_mixup": rotated_mixup,
    "channel_permutation": channel_permutation,
    "turned_crop": turned_crop,
}


def disguise(
    images: Tensor,
    net: Callable[[Tensor], Tensor],
    classes: Sequence[int],
    size: float,
    generator: torch.Generator,
) -> Tensor:
    """One gradient step of each image towards a class of T0 drawn at random: [N, C, H, W] -> [N, C, H, W].

    Such a step carries features of the class that generalise (Ilyas et al., 1905.02175), so that T0 shows its
    knowledge of classes of which no image is at hand.

    Args:
        images: normalised.
        net: T0, images -> logits [N, classes].
        classes: the preserved ones.
        size: of the step, root mean square per pixel.
        generator: draws the classes.
    """
    draw = torch.randint(len(classes), (len(images),), generator=generator)
    aims = torch.tensor(classes)[draw].to(images.device)
    with torch.enable_grad():
        given = images.detach().requires_grad_()
        loss = F.cross_entropy(net(given).float(), aims, reduction="sum")
        (slope,) = torch.autograd.grad(loss, given)
    norm = slope.flatten(1).square().mean(dim=1).sqrt().clamp_min(1e-12)[:, None, None, None]
    return images - size * slope / norm


def surrogates(images: Tensor, kinds: Sequence[str], generator: torch.Generator) -> Tensor:
    """As many surrogates as images, the kinds in equal shares, one after the other in the batch."""
    shares = torch.arange(len(images)) * len(kinds) // max(len(images), 1)
    return torch.cat(
        [
            KINDS[kind](images, generator)[(shares == index).to(images.device)]
            for index, kind in enumerate(kinds)
        ]
    )


def _shuffle(images: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randperm(len(images), generator=generator).to(images.device)
