"""Which filters a deposit module keeps: those whose loss the layer that reads them can make up least.

The optimal brain surgeon (Hassibi and Stork, 1992) with a feature map as its unit. For rows x of the reading layer
and its answers y let R = E[x xᵀ] and K = R⁻¹ E[x yᵀ]. Without the entries j of one feature map the best new kernel's
squared error grows by tr(K_jᵀ (R⁻¹_jj)⁻¹ K_j). The map with the least growth goes, R⁻¹ and K are updated, and so on.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from app.lirf.inputs import outputs, patches, recorded, refittable, some_places
from app.lirf.networks import Network

PLACES = 40_000
RIDGE = 1e-3


class Selection(Protocol):
    """Chooses what stays of a layer's filters."""

    def __call__(self, readers: list[str], remove: int) -> Tensor | None:
        """Indices of the filters of a layer that stay, ascending; None if it has no opinion.

        Args:
            readers: names of the convolutions that read the layer.
            remove: how many filters go.
        """


class Surgeon:
    """The choice that costs the unpruned network's own answers least, layer by layer."""

    @torch.no_grad()
    def __init__(self, shallow: Network, inputs: Tensor, generator: torch.Generator) -> None:
        """Watch T0^(-n) read examples [N, C, H, W]; ``generator`` chooses the places that are looked at."""
        self._layers = {
            name: layer for name, layer in shallow.named_modules() if isinstance(layer, nn.Conv2d)
        }
        self._generator = generator
        with recorded(self._layers) as self._seen:
            shallow(inputs)

    @torch.no_grad()
    def __call__(self, readers: list[str], remove: int) -> Tensor | None:
        """See `Selection`; it needs exactly one plain convolution that reads the layer."""
        if len(readers) != 1 or not refittable(self._layers[readers[0]]):
            return None
        reader = self._layers[readers[0]]
        given, answer = self._seen[readers[0]]
        if reader.bias is not None:
            answer = answer - reader.bias[:, None, None]
        places = some_places(answer, PLACES, self._generator)
        rows, wanted = patches(reader, given, places).double(), outputs(answer, places).double()
        size = rows.shape[1] // reader.in_channels
        return least_missed(rows.T @ rows, rows.T @ wanted, size, remove)


def least_missed(gram: Tensor, products: Tensor, size: int, remove: int) -> Tensor:
    """The groups that stay when those go, one by one, whose absence costs the least squares error.

    Args:
        gram: Σ x xᵀ, [G·size, G·size].
        products: Σ x yᵀ, [G·size, O].
        size: neighbouring entries that make one group.
        remove: how many of the G groups go.

    Returns:
        Indices of the others, ascending.
    """
    groups = len(gram) // size
    ridge = RIDGE * gram.diagonal().mean().clamp_min(1e-12)
    inverse = torch.linalg.inv(gram + ridge * torch.eye(len(gram), dtype=gram.dtype, device=gram.device))
    kernel = inverse @ products
    stay = list(range(groups))
    for _ in range(remove):
        blocks = inverse.reshape(groups, size, groups, size).diagonal(dim1=0, dim2=2).permute(2, 0, 1)[stay]
        own = kernel.reshape(groups, size, -1)[stay]
        growth = (own * torch.linalg.solve(blocks, own)).sum(dim=(1, 2))
        gone = stay.pop(int(growth.argmin()))
        entries = slice(gone * size, (gone + 1) * size)
        column, block = inverse[:, entries].clone(), inverse[entries, entries].clone()
        kernel = kernel - column @ torch.linalg.solve(block, kernel[entries])
        inverse = inverse - column @ torch.linalg.solve(block, inverse[entries])
    return torch.tensor(stay, device=gram.device)
