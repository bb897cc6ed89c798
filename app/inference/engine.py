"""Runs a net on images, one batch at a time, on as many threads as the batch is worth."""

import threading
import time
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from app.lirf.networks import InputSpec

LARGEST_BATCH = 256

WORTH_THREADS_SECONDS = 0.016
"""Work of one thread from which on others help: measured on ResNet-20 and ResNet-18, where both break even near it."""

SMOOTHING = 0.1
"""Weight of the newest pass in a net's pace, if it was slower than the pace."""


class ServedNet(NamedTuple):
    """A net in memory, what it reads, and whose version it is: rows of the same one may share a batch."""

    net: nn.Module
    spec: InputSpec
    model: str = ""
    version: str = ""


class Engine:
    """Forward passes of any net on one device.

    Threads sleep while they wait (`app.patience`), and waking them costs more than it saves until a batch has some
    milliseconds of work: ResNet-20 answers one 32×32 image in 1.4 ms with one thread and in 4.0 ms with two. So each
    net's pace is measured, and further threads are used from WORTH_THREADS_SECONDS on.

    Args:
        device: torch's name of it.
        threads: CPU threads of a large batch.
    """

    def __init__(self, device: str = "cpu", threads: int = 1) -> None:
        self.device = torch.device(device)
        self._threads = threads
        self._turn = threading.Lock()
        self._pace: WeakKeyDictionary[nn.Module, float] = WeakKeyDictionary()

    def answer(self, served: ServedNet, images: Tensor) -> Tensor:
        """`probabilities`, as the batcher calls it."""
        return self.probabilities(served.net, images, served.spec)

    @torch.inference_mode()
    def probabilities(self, net: nn.Module, images: Tensor, spec: InputSpec) -> Tensor:
        """Softmax over classes: uint8 images [N, C, H, W] -> float32 [N, classes], on the CPU."""
        answers = []
        for batch in torch.split(images, LARGEST_BATCH):
            with self._turn:
                if net not in self._pace:
                    net.to(self.device)
                answers.append(self._forward(net, spec.normalise(batch.to(self.device))).softmax(dim=1).cpu())
        return torch.cat(answers)

    def _forward(self, net: nn.Module, inputs: Tensor) -> Tensor:
        pace = self._pace.get(net, 0.0)
        alone = pace * len(inputs) < WORTH_THREADS_SECONDS
        torch.set_num_threads(1 if alone else self._threads)
        started = time.perf_counter()
        logits: Tensor = net(inputs)
        if alone:
            seconds = (time.perf_counter() - started) / len(inputs)
            # the first passes are slow for reasons of their own, and a shared machine is slow at times
            self._pace[net] = min(seconds, pace + SMOOTHING * (seconds - pace)) if pace else seconds
        return logits
