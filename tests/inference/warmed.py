import torch
from torch import nn

from app.lirf.networks import Network


def warmed(net: Network, seed: int = 1) -> Network:
    """BatchNorm statistics that matter, as training leaves them."""
    chance = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.3, generator=chance)
            module.running_var.uniform_(0.5, 2, generator=chance)
    return net.eval()
