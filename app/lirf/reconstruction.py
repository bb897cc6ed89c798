"""Least squares after pruning: each layer learns in closed form to do without the feature maps it lost.

As in channel pruning (He et al., 1707.06168): the kernels that read pruned feature maps are fitted anew, so that
the layer answers what the unpruned one did. It takes seconds and replaces most of the training of T_r.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from app.lirf.inputs import outputs, patches, recorded, refittable, some_places
from app.lirf.networks import Network

PLACES = 40_000
RIDGE = 1e-3


@torch.no_grad()
def reconstruct(
    pruned: Network, shallow: Network, kept: Mapping[str, Tensor], inputs: Tensor, generator: torch.Generator
) -> None:
    """Fit every convolution that reads pruned feature maps to the unpruned network's, in place, in order.

    Args:
        pruned: what `pruning.prune` made of ``shallow``; altered.
        shallow: T0^(-n).
        kept: per pruned convolution the output filters that stayed, ascending; see `pruning.prune_and_tell`.
        inputs: normalised examples [N, C, H, W].
        generator: chooses the places that are compared.
    """
    originals = {name: layer for name, layer in shallow.named_modules() if isinstance(layer, nn.Conv2d)}
    fitted = {name: layer for name, layer in pruned.named_modules() if isinstance(layer, nn.Conv2d)}
    with recorded(originals) as wanted:
        shallow(inputs)
    for name, layer in fitted.items():
        if layer.in_channels == originals[name].in_channels or not refittable(layer):
            continue
        with recorded({name: layer}) as seen:
            pruned(inputs)
        answer = wanted[name][1]
        if name in kept:
            answer = answer[:, kept[name]]
        if layer.bias is not None:
            answer = answer - layer.bias[:, None, None]
        places = some_places(answer, PLACES, generator)
        rows = patches(layer, seen[name][0], places)
        layer.weight.copy_(least_squares(rows, outputs(answer, places)).T.reshape(layer.weight.shape))


def least_squares(rows: Tensor, wanted: Tensor) -> Tensor:
    """X that minimises ‖rows·X − wanted‖² + ridge·‖X‖²: [P, I], [P, O] -> [I, O]."""
    gram = rows.T @ rows
    ridge = RIDGE * gram.diagonal().mean().clamp_min(1e-12)
    solution: Tensor = torch.linalg.solve(
        gram + ridge * torch.eye(len(gram), device=gram.device), rows.T @ wanted
    )
    return solution
