"""BatchNorm with fixed statistics is an affine map: merged into the convolution before it, it costs nothing.

    BN(K * x) = s·(K * x) + b − s·μ,  s = γ / sqrt(σ² + ε)  =>  one convolution with the kernel s·K

The merge is computed anew in each forward, so γ, b and K can be trained through it.
"""

from typing import cast

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from app.lirf.networks import Network


class FoldedConvolution(nn.Module):
    """A convolution and the BatchNorm after it as one convolution; it shares the parameters of both."""

    def __init__(self, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.convolution = convolution
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        convolution, norm = self.convolution, self.norm
        mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        shift = norm.bias - scale * mean
        if convolution.bias is not None:
            shift = shift + scale * convolution.bias
        return F.conv2d(
            x,
            convolution.weight * scale[:, None, None, None],
            shift,
            convolution.stride,
            convolution.padding,
            convolution.dilation,
            convolution.groups,
        )


def folded(net: Network) -> Network:
    """A twin with the same parameters in which every BatchNorm right after a convolution is merged into it.

    The twin answers like ``net`` in evaluation mode, up to rounding. Blocks that cannot be traced are used as
    they are.
    """
    return Network([_folded_block(block) for block in net], net.prefixes)


def _folded_block(block: nn.Module) -> nn.Module:
    try:
        graph = fx.Tracer().trace(block)
    except (fx.proxy.TraceError, TypeError):
        return block
    twin = fx.GraphModule(block, graph)
    for node in list(graph.nodes):
        pair = _convolution_before(node, twin)
        if pair is not None:
            convolution, norm, source = pair
            name = str(node.target).replace(".", "_") + "_folded"
            twin.add_submodule(name, FoldedConvolution(convolution, norm))
            with graph.inserting_before(node):
                merged = graph.call_module(name, (source.args[0],))
            node.replace_all_uses_with(merged)
            graph.erase_node(node)
            graph.erase_node(source)
    twin.recompile()
    return twin


def _convolution_before(node: fx.Node, twin: nn.Module) -> tuple[nn.Conv2d, nn.BatchNorm2d, fx.Node] | None:
    """The convolution that this BatchNorm alone reads, if the two can be merged."""
    norm = _module(node, twin)
    source = node.args[0] if node.args else None
    if not isinstance(norm, nn.BatchNorm2d) or not isinstance(source, fx.Node):
        return None
    convolution = _module(source, twin)
    if not isinstance(convolution, nn.Conv2d) or convolution.padding_mode != "zeros":
        return None
    mergeable = len(source.users) == 1 and norm.affine and norm.running_var is not None
    return (convolution, norm, source) if mergeable else None


def _module(node: fx.Node, twin: nn.Module) -> nn.Module | None:
    return twin.get_submodule(str(node.target)) if node.op == "call_module" else None
