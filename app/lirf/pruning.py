"""L1 filter pruning of the shallow part (supplement §1.1), with torch-pruning's dependency graph."""

import copy
from collections.abc import Sequence

import torch
import torch_pruning
from torch import Tensor, nn

from app.lirf.errors import InvalidInputError
from app.lirf.networks import Network
from app.lirf.rebuilding import rebuild
from app.lirf.selection import Selection

__all__ = ["filter_scores", "prune", "prune_and_tell", "rebuild", "require_ratio"]


def require_ratio(ratio: float, field: str = "prune_ratio") -> None:
    """Refuse a share that is not in [0, 1).

    Raises:
        InvalidInputError: a ratio below 0, of 1 or above, or no number.
    """
    if not 0 <= ratio < 1:
        raise InvalidInputError(
            field, f"{ratio} is no share of filters.", "Choose from 0 (keep all) to just under 1, e.g. 0.5."
        )


def filter_scores(layer: nn.Conv2d) -> Tensor:
    """S_j = Σ_l |K_l|: the sum of absolute weights of each output filter, [out_channels]."""
    return layer.weight.detach().abs().sum(dim=(1, 2, 3))


def prune(shallow: Network, ratio: float, example_shape: Sequence[int]) -> Network:
    """T_r <- Prune[T0^(-n)]: a copy without each layer's floor(ratio · filters) filters of least L1 norm.

    Norms are taken over the unpruned kernels. Only filters whose loss leaves the residual streams and the
    last block's output channels as wide as they are can go: inner convolutions of residual blocks, all but
    the last layer of a chain. Their feature maps and the next layer's matching input kernels go with them.

    Args:
        shallow: T0^(-n); it is not altered.
        ratio: share of filters, 0 <= ratio < 1.
        example_shape: (C, H, W) of one input image.

    Raises:
        InvalidInputError: ratio out of range.
    """
    return prune_and_tell(shallow, ratio, example_shape)[0]


def prune_and_tell(
    shallow: Network, ratio: float, example_shape: Sequence[int], selection: Selection | None = None
) -> tuple[Network, dict[str, Tensor]]:
    """`prune`, and per pruned convolution the filters that stayed, ascending.

    A ``selection`` chooses them in place of the L1 norm wherever it has an opinion.
    """
    require_ratio(ratio)
    pruned = copy.deepcopy(shallow).requires_grad_().eval()
    device = next(pruned.parameters()).device
    example = torch.zeros(1, *example_shape, device=device)
    seam = _seam(pruned(example)).to(device)
    graph = torch_pruning.DependencyGraph().build_dependency(
        nn.Sequential(pruned, seam), example_inputs=example
    )
    importance = torch_pruning.importance.MagnitudeImportance(p=1, group_reduction="first", normalizer=None)
    doomed = []
    kept: dict[str, Tensor] = {}
    layers = [(name, layer) for name, layer in pruned.named_modules() if isinstance(layer, nn.Conv2d)]
    for name, layer in layers:
        every = list(range(layer.out_channels))
        group = graph.get_pruning_group(layer, torch_pruning.prune_conv_out_channels, idxs=every)
        remove = int(ratio * layer.out_channels)
        if remove and _is_private(group, layer, seam):
            chosen = selection(_readers(group, layers), remove) if selection else None
            if chosen is None:
                chosen = torch.argsort(importance(group), stable=True)[remove:].sort().values
            kept[name] = chosen
            doomed.append((layer, sorted(set(every) - set(chosen.tolist()))))
    for layer, filters in doomed:
        graph.get_pruning_group(layer, torch_pruning.prune_conv_out_channels, idxs=filters).prune()
    return pruned, kept


def _readers(group: torch_pruning.dependency.Group, layers: Sequence[tuple[str, nn.Conv2d]]) -> list[str]:
    """Names of the convolutions that read the group's feature maps."""
    reading = {
        id(dependency.target.module)
        for dependency, _ in group
        if dependency.handler.__name__.endswith("in_channels")
    }
    return [name for name, layer in layers if id(layer) in reading]


def _seam(output: Tensor) -> nn.Module:
    """A stand-in for the shared deep part, so that the graph shows which channels it reads."""
    if output.ndim == 4:  # noqa: PLR2004 - [N, C, H, W]
        return nn.Conv2d(output.shape[1], 1, 1)
    return nn.Linear(output.shape[-1], 1)


def _is_private(group: torch_pruning.dependency.Group, layer: nn.Conv2d, seam: nn.Module) -> bool:
    """Whether the layer alone writes its channels and only plain layers of the shallow part read them."""
    for dependency, _ in group:
        module = dependency.target.module
        grouped = isinstance(module, nn.Conv2d) and module.groups > 1
        reads = dependency.handler.__name__.endswith("in_channels")
        writes = isinstance(module, nn.Conv2d | nn.Linear) and module is not layer and not reads
        if module is seam or grouped or writes:
            return False
    return True
