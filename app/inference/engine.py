"""Makes nets ready and runs them: compiled for the CPU where that is possible, by PyTorch elsewhere."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np
import structlog

from app.inference.compiled import Compiler
from app.inference.eager import EagerNet
from app.inference.fusing import fused
from app.inference.lowering import NotLoweredError
from app.inference.nets import Probabilities, ReadyNet
from app.lirf.data.images import Pixels
from app.lirf.networks import InputSpec
from app.lirf.recover import RecoverNet

log = structlog.get_logger(__name__)


class ServedNet(NamedTuple):
    """A net in memory, and whose version it is: rows of the same one may share a batch."""

    net: ReadyNet
    model: str = ""
    version: str = ""


LANE_BATCH, DEVICE_BATCH = 16, 64
"""One thread takes as long per image with 8 rows as with 64; all threads together, or a GPU, gain by more."""

AT_ONCE_SECONDS = 0.001
"""To hand an image to another thread and its answer back takes a quarter of this."""

PASSES = 3
"""The fastest tells how long a net takes for an image; any one may have been held up by others on the machine."""


class Engine:
    """Runs nets on one device.

    Args:
        device: torch's name of it.
        threads: of the CPU, for all batches that run at the same time.
        compiles: whether nets are compiled for the CPU; else PyTorch runs them.
    """

    def __init__(self, device: str = "cpu", threads: int = 1, *, compiles: bool = True) -> None:
        self._device = device
        self._threads = threads
        self._compiler = Compiler(threads) if compiles and device == "cpu" else None
        self._one_at_a_time = threading.Lock()

    @property
    def lanes(self) -> int:
        """Batches that are answered sooner beside one another than one after the other."""
        return self._threads if self._compiler else 1

    @property
    def largest_batch(self) -> int:
        """Rows beyond which a batch takes longer without being answered faster per row."""
        return LANE_BATCH if self._compiler else DEVICE_BATCH

    def prepare(
        self, net: RecoverNet, spec: InputSpec, deep_name: Hashable = None, head_name: Hashable = None
    ) -> ReadyNet:
        """``net`` ready to answer, its first pass behind it; it is used up.

        Args:
            net: composed.
            spec: what it reads.
            deep_name: the same for nets that hold the same deep part; None for one that is shared with no other.
            head_name: the same for nets that hold the same head.
        """
        ready = self._ready(net, spec, object() if deep_name is None else deep_name, head_name)
        image = np.zeros((1, *spec.shape), dtype=np.uint8)
        ready.probabilities(image)
        ready.pace = min(_seconds(lambda: ready.probabilities(image)) for _ in range(PASSES))
        return ready

    def answer(self, served: ServedNet, images: Pixels) -> Probabilities:
        """Softmax over classes: uint8 images [N, C, H, W] -> float32 [N, classes]."""
        return served.net.probabilities(images)

    def at_once(self, served: ServedNet, images: Pixels) -> bool:
        """Whether these images are answered sooner than they are handed to another thread."""
        return len(images) * served.net.pace < AT_ONCE_SECONDS

    def _ready(self, net: RecoverNet, spec: InputSpec, deep_name: Hashable, head_name: Hashable) -> ReadyNet:
        if self._compiler is not None:
            try:
                return self._compiler.net(net, spec, deep_name, head_name)
            except NotLoweredError as reason:
                log.info("net_not_compiled", reason=str(reason))
        return EagerNet(fused(net), spec, self._device, self._threads, self._one_at_a_time)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
