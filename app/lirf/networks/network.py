from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from app.lirf.errors import InvalidInputError

COUNTER = "num_batches_tracked"


class Network(nn.Sequential):
    """An ordered list of blocks, the last one the classifier head.

    Attributes:
        prefixes: per block, what stands before its parameter names in published checkpoints: "" for a
            stem whose parameters are called ``conv1.weight``, ``layer1.0`` for a residual block.
    """

    def __init__(self, blocks: Sequence[nn.Module], prefixes: Sequence[str]) -> None:
        super().__init__(*blocks)
        self.prefixes = tuple(prefixes)

    def part(self, start: int, stop: int | None = None) -> "Network":
        """Blocks start..stop-1 as a network of their own that shares its modules with this one."""
        return Network(list(self)[start:stop], self.prefixes[start:stop])

    def frozen(self) -> Self:
        """This network in evaluation mode with no gradients: running statistics can no longer move."""
        self.eval()
        return self.requires_grad_(False)


def published_name(prefix: str, local: str) -> str:
    return f"{prefix}.{local}" if prefix else local


def block_names(net: Network) -> tuple[str, ...]:
    """One readable name per block, in order, for people who choose a split."""
    names = []
    for index, (block, prefix) in enumerate(zip(net, net.prefixes, strict=True)):
        if prefix:
            names.append(prefix)
        else:
            names.append(
                "head" if index == len(net) - 1 else ("stem" if index == 0 else type(block).__name__)
            )
    return tuple(names)


def published_state(net: Network) -> dict[str, Tensor]:
    """Tensors under the names of the published checkpoints, sharing storage with the network.

    BatchNorm's step counters are left out: they never touch an answer and older checkpoints lack them.
    """
    return {
        published_name(prefix, local): tensor
        for block, prefix in zip(net, net.prefixes, strict=True)
        for local, tensor in block.state_dict().items()
        if not local.endswith(COUNTER)
    }


def load_published(net: Network, tensors: Mapping[str, Tensor]) -> Network:
    """Copy tensors with published names into the network, bit for bit; the caller has checked the fit.

    Raises:
        InvalidInputError: a tensor of the network is not among them, or has another shape.
    """
    with torch.no_grad():
        for name, own in published_state(net).items():
            given = tensors.get(name)
            if given is None or given.shape != own.shape:
                found = "missing" if given is None else f"of shape {list(given.shape)}"
                raise InvalidInputError(
                    "weights",
                    f"{name} of shape {list(own.shape)} is {found}.",
                    "Send the weights of this architecture and number of classes.",
                )
            own.copy_(given)
    return net


def classifier(net: Network) -> nn.Linear:
    """The layer whose rows are the classes: the last nn.Linear of the last block.

    Raises:
        InvalidInputError: the last block has no nn.Linear with a bias.
    """
    linears = [module for module in list(net)[-1].modules() if isinstance(module, nn.Linear)]
    if not linears or linears[-1].bias is None:
        raise InvalidInputError(
            "architecture",
            "its last block has no nn.Linear with a bias.",
            "End the sequence with a block whose last layer is nn.Linear(features, num_classes).",
        )
    return linears[-1]
