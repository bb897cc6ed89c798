"""A pruned shallow part from its tensors alone, for serving: nothing here can prune or train."""

import copy
from collections.abc import Mapping

from torch import Tensor, nn

from app.lirf.errors import InvalidInputError
from app.lirf.networks import Network, load_published
from app.lirf.networks.network import published_name


def rebuild(shallow_template: Network, tensors: Mapping[str, Tensor]) -> Network:
    """A network of the template's structure and the tensors' widths, holding the tensors' values.

    Args:
        shallow_template: an unpruned shallow part of the same architecture; it is not altered.
        tensors: published names of the shallow part; other names (sealed rows) are ignored.

    Raises:
        InvalidInputError: a tensor is missing or its shape cannot belong to this structure.
    """
    rebuilt = copy.deepcopy(shallow_template)
    for block, prefix in zip(rebuilt, rebuilt.prefixes, strict=True):
        for local, layer in block.named_modules():
            name = published_name(prefix, local).rstrip(".")
            if isinstance(layer, nn.Conv2d | nn.BatchNorm2d | nn.Linear):
                _resize(layer, name, tensors)
    return load_published(rebuilt, tensors)


def _resize(layer: nn.Conv2d | nn.BatchNorm2d | nn.Linear, name: str, tensors: Mapping[str, Tensor]) -> None:
    """Give the layer's parameters and buffers the shapes they have in the tensors."""
    for local, own in [*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)]:
        given = tensors.get(f"{name}.{local}")
        if given is None or given.shape == own.shape:
            continue
        if given.ndim != own.ndim:
            raise InvalidInputError(
                "module",
                f"{name}.{local} of shape {list(given.shape)} cannot stand for {list(own.shape)}.",
                "Withdraw a module that was deposited from this architecture.",
            )
        resized = own.detach().new_zeros(given.shape)
        if isinstance(own, nn.Parameter):
            setattr(layer, local, nn.Parameter(resized, requires_grad=own.requires_grad))
        else:
            setattr(layer, local, resized)
    if isinstance(layer, nn.Conv2d):
        layer.out_channels, layer.in_channels = layer.weight.shape[0], layer.weight.shape[1] * layer.groups
    elif isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape
    elif layer.weight is not None:
        layer.num_features = layer.weight.shape[0]
