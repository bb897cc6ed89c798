"""The classifier's rows: one per class, separable from the shared deep part."""

import copy
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from app.lirf.networks import Network, classifier

ROWS_WEIGHT = "rows.weight"
ROWS_BIAS = "rows.bias"
SEALED_BIAS = -10_000.0
"""The bias of a sealed row, whose weights are zero. Finite, so that checkpoints, half precision and JSON
carry it, and so low that softmax gives exactly 0: the stored target itself has no answer for the class."""


def take_rows(net: Network, classes: Sequence[int]) -> dict[str, Tensor]:
    """Copies of the classes' rows, in the order given: weight [k, features] and bias [k]."""
    layer = classifier(net)
    index = torch.tensor(classes, dtype=torch.long, device=layer.weight.device)
    return {
        ROWS_WEIGHT: layer.weight.detach().index_select(0, index).clone(),
        ROWS_BIAS: layer.bias.detach().index_select(0, index).clone(),
    }


def sealed_classes(net: Network) -> tuple[int, ...]:
    """Classes whose rows have left this network."""
    layer = classifier(net)
    sealed = (layer.weight == 0).all(dim=1) & (layer.bias == SEALED_BIAS)
    return tuple(int(index) for index in sealed.nonzero().flatten())


def without_rows(net: Network, classes: Iterable[int]) -> Network:
    """The network without the classes' rows; shares every block but the head, whose other rows stay."""
    kept = _with_own_head(net)
    with torch.no_grad():
        for index in classes:
            classifier(kept).weight[index] = 0.0
            classifier(kept).bias[index] = SEALED_BIAS
    return kept


def with_rows(net: Network, rows: Sequence[tuple[tuple[int, ...], Mapping[str, Tensor]]]) -> Network:
    """The network with rows put back from modules that hold them; shares every block but the head."""
    restored = _with_own_head(net)
    layer = classifier(restored)
    with torch.no_grad():
        for classes, tensors in rows:
            if ROWS_WEIGHT in tensors:
                index = torch.tensor(classes, dtype=torch.long, device=layer.weight.device)
                layer.weight.index_copy_(0, index, tensors[ROWS_WEIGHT].to(layer.weight))
                layer.bias.index_copy_(0, index, tensors[ROWS_BIAS].to(layer.bias))
    return restored


def _with_own_head(net: Network) -> Network:
    blocks: list[nn.Module] = list(net)
    return Network([*blocks[:-1], copy.deepcopy(blocks[-1])], net.prefixes)
