"""Where tensors are worked on: the device, and how many threads are worth their wake-up."""

import os
from dataclasses import dataclass

import torch

from app.lirf.networks import InputSpec

SMALL_IMAGE = 16 * 16
"""Pixels up to which one thread beats several: an operator is done before the others have woken up."""


@dataclass(frozen=True)
class Compute:
    """A device by torch's name, and a number of CPU threads, 0 to choose by the size of the images."""

    device: str = "cpu"
    threads: int = 0

    def settle(self, spec: InputSpec) -> None:
        """Set this process's threads for images of ``spec``."""
        small = spec.height * spec.width <= SMALL_IMAGE
        torch.set_num_threads(self.threads or (1 if small else available_cores()))


def choose_compute(device: str, threads: int) -> Compute:
    """Turn the device ``auto`` into ``cuda`` where there is one, else ``cpu``; other names pass through."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return Compute(device, threads)


def available_cores() -> int:
    """Cores that this process may use, which a container may have fewer of than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
