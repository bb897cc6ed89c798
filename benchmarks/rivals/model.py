"""The network as a file that torch alone can load: pixels in, the most probable class and its probability out."""

import copy
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from app.lirf.networks import InputSpec

TRACED_WITH = 2
"""Images of the traced batch; the file takes any number."""


class FromPixels(nn.Module):
    """uint8 [N, H, W, C], as decoders give them, to the highest probability and its class, both [N]."""

    def __init__(self, net: nn.Module, spec: InputSpec) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).eval()
        # what a decoder gives is channels-last already, the layout that convolutions on a CPU prefer
        nn.Module.to(self.net, memory_format=torch.channels_last)
        mean, std = torch.tensor(spec.mean).view(-1, 1, 1), torch.tensor(spec.std).view(-1, 1, 1)
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("shift", -mean / std)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        images = pixels.permute(0, 3, 1, 2) * self.get_buffer("scale") + self.get_buffer("shift")
        probabilities, classes = self.net(images).softmax(dim=1).max(dim=1)
        return probabilities, classes


def write_model(net: nn.Module, spec: InputSpec, path: Path) -> None:
    """Trace ``net`` and freeze the trace, which merges BatchNorm into the convolutions; ``net`` stays as it is."""
    pixels = torch.zeros(TRACED_WITH, spec.height, spec.width, spec.channels, dtype=torch.uint8)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # TorchScript is deprecated, but measured faster here than eager networks
        traced = torch.jit.trace(FromPixels(net, spec).eval(), pixels)  # type: ignore[no-untyped-call]
        torch.jit.freeze(traced).save(str(path))
