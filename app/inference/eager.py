"""A net run by PyTorch, on as many threads as a batch is worth: for GPUs, and for blocks that have no lowering."""

import math
import threading
import time
from collections.abc import Hashable, Mapping

import torch
from torch import nn

from app.inference.nets import Probabilities
from app.lirf.data.images import Pixels
from app.lirf.networks import InputSpec

WORTH_THREADS_SECONDS = 0.016
"""Work of one thread from which on others help: measured on ResNet-20 and ResNet-18, where both break even near it."""

SMOOTHING = 0.1
"""Weight of the newest pass in a net's pace, if it was slower than the pace."""


class EagerNet:
    """Forward passes of a module on one device.

    Threads sleep while they wait (`app.patience`), and waking them costs more than it saves until a batch has some
    milliseconds of work: ResNet-20 answers one 32×32 image in 1.4 ms with one thread and in 4.0 ms with two. So the
    net's pace is measured, and further threads are used from WORTH_THREADS_SECONDS on.

    Args:
        net: normalised images [N, C, H, W] -> logits [N, classes].
        spec: what it reads.
        device: torch's name of it.
        threads: CPU threads of a large batch.
        turn: held during a pass, as two of them at once would fight for the threads.
    """

    def __init__(
        self,
        net: nn.Module,
        spec: InputSpec,
        device: str = "cpu",
        threads: int = 1,
        turn: "threading.Lock | None" = None,
    ) -> None:
        self._net = net.to(device)
        self._spec = spec
        self._device = torch.device(device)
        self._threads = threads
        self._turn = turn or threading.Lock()
        self._row_seconds = 0.0
        self.pace = math.inf

    @property
    def pieces(self) -> Mapping[Hashable, int]:
        """By address, as nets of one version share tensors."""
        tensors = (*self._net.parameters(), *self._net.buffers())
        return {tensor.data_ptr(): tensor.numel() * tensor.element_size() for tensor in tensors}

    @torch.inference_mode()
    def probabilities(self, images: Pixels) -> Probabilities:
        """See `ReadyNet`."""
        inputs = self._spec.normalise(torch.tensor(images, device=self._device))
        with self._turn:
            alone = self._row_seconds * len(inputs) < WORTH_THREADS_SECONDS
            torch.set_num_threads(1 if alone else self._threads)
            started = time.perf_counter()
            answers: Probabilities = self._net(inputs).softmax(dim=1).cpu().numpy()
            if alone:
                self._learn((time.perf_counter() - started) / len(inputs))
        return answers

    def _learn(self, seconds: float) -> None:
        """The first passes are slow for reasons of their own, and a shared machine is slow at times."""
        slower = self._row_seconds + SMOOTHING * (seconds - self._row_seconds)
        self._row_seconds = min(seconds, slower) if self._row_seconds else seconds
