"""What a convolution reads: its inputs as rows, one per place of its output."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def refittable(layer: nn.Module) -> bool:
    """Whether the layer is a plain convolution: one linear map of its patches, the same at every place."""
    return (
        isinstance(layer, nn.Conv2d)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


def patches(layer: nn.Conv2d, x: Tensor, places: Tensor) -> Tensor:
    """Rows of [N·H'·W', C·k·k] at ``places``: what the kernel meets at each of these places of the output."""
    padding = cast("tuple[int, ...]", layer.padding)
    rows = F.unfold(x, layer.kernel_size, layer.dilation, padding, layer.stride)
    return rows.transpose(1, 2).reshape(-1, rows.shape[1])[places]


def outputs(y: Tensor, places: Tensor) -> Tensor:
    """Rows of [N·H'·W', C] at ``places`` of a convolution's output [N, C, H', W']."""
    return y.permute(0, 2, 3, 1).reshape(-1, y.shape[1])[places]


@contextmanager
def recorded(layers: Mapping[str, nn.Conv2d]) -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
    """Inputs and outputs of the layers in the forward passes made inside the context, the last pass of each."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    handles = []
    for name, layer in layers.items():

        def keep(_: nn.Module, given: tuple[Tensor, ...], answer: Tensor, name: str = name) -> None:
            seen[name] = (given[0].detach(), answer.detach())

        handles.append(layer.register_forward_hook(keep))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def some_places(y: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Up to ``count`` random places of an output [N, C, H', W'], as indices of its rows."""
    total = y.shape[0] * y.shape[2] * y.shape[3]
    return torch.randint(total, (min(count, total),), generator=generator).to(y.device)
