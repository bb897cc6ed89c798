"""Runs a net on images. One forward at a time uses all cores; several at once would only fight for them."""

import threading
from typing import NamedTuple

import torch
from torch import Tensor, nn

from app.lirf.networks import InputSpec

LARGEST_BATCH = 256


class ServedNet(NamedTuple):
    """A net in memory, what it reads, and whose version it is: rows of the same one may share a batch."""

    net: nn.Module
    spec: InputSpec
    model: str = ""
    version: str = ""


class Engine:
    """Forward passes of any net on one device."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self._turn = threading.Lock()

    def answer(self, served: ServedNet, images: Tensor) -> Tensor:
        """`probabilities`, as the batcher calls it."""
        return self.probabilities(served.net, images, served.spec)

    @torch.inference_mode()
    def probabilities(self, net: nn.Module, images: Tensor, spec: InputSpec) -> Tensor:
        """Softmax over classes: uint8 images [N, C, H, W] -> float32 [N, classes], on the CPU."""
        net.to(self.device)
        answers = []
        for batch in torch.split(images, LARGEST_BATCH):
            inputs = spec.normalise(batch.to(self.device))
            with self._turn:
                answers.append(net(inputs).softmax(dim=1).cpu())
        return torch.cat(answers)
