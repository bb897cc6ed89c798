import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from app.lirf.checkpoint import write_safetensors
from app.lirf.filters import LogitFilter

LEVEL = "level"
"""Name of the tensor [C] that a withdrawn module adds to the deposit logits of all withdrawn modules: not zero at its
own classes and at those that were deposited before it. A module without one adds nothing."""


@dataclass(frozen=True)
class DepositModule:
    """What is sealed away: T_r^i, and the classifier rows of its classes if they were taken out.

    Attributes:
        tensors: the pruned shallow part under published names, plus ``rows.weight`` [k, features] and
            ``rows.bias`` [k] when rows are sealed with it (k = number of classes, ascending), and its `LEVEL` [C]
            if it was calibrated.
        filter: the logits it answers for.
        split: the block at which its network is divided.
        prune_ratio: share of the filters removed from each prunable layer, 0..1.
    """

    tensors: Mapping[str, Tensor]
    filter: LogitFilter
    split: int
    prune_ratio: float

    @property
    def size(self) -> int:
        """Bytes of its tensors."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors.values())

    @cached_property
    def order(self) -> tuple[str, tuple[int, ...], str]:
        """Sorts any selection of modules the same way, so that no answer depends on who listed them how."""
        return (
            self.filter.kind,
            self.filter.classes,
            hashlib.sha256(write_safetensors(self.tensors)).hexdigest(),
        )
