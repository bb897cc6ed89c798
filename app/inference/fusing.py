"""A net made ready for serving: BatchNorm merged into the convolutions, and the memory layout that CPUs prefer.

Answers differ from the net's own by rounding alone, some 1e-5 of a logit. (`app.lirf.folding` keeps the parameters
trainable through the merge and computes it anew in each pass; here it is done once.)
"""

import torch
from torch import fx, nn
from torch.fx.experimental.optimization import fuse

from app.lirf.recover import RecoverNet


def fused(net: RecoverNet) -> RecoverNet:
    """``net`` itself, whose parts are replaced by their faster twins; those that cannot be traced stay."""
    for name in ("shallow", "trunk"):
        net.add_module(name, _fused_part(net.get_submodule(name)))
    net.branches = nn.ModuleList(_fused_part(branch) for branch in net.branches)
    nn.Module.to(net, memory_format=torch.channels_last)
    return net


def _fused_part(part: nn.Module) -> nn.Module:
    try:
        twin: nn.Module = fuse(part.eval())
    except (fx.proxy.TraceError, TypeError, RuntimeError):  # what tracing raises where Python must see values
        return part
    return twin.requires_grad_(requires_grad=False)
