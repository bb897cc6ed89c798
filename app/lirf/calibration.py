"""How high a module's deposit logits stand beside the target's, set once both are trained.

A module has seen next to nothing but its own classes, so it overrates them where it meets others. How much so cannot be
read where it was taught. Turned mix-ups of D_r are a kind of input that no training step sees: there the recover net
should name deposited classes as often as T0 does, and one number per module, added to its logits, makes it so. Classes
that were deposited before move with it: their modules stand beside a target that has changed since.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from app.lirf.filters import LogitFilter, columns, compose
from app.lirf.module import LEVEL, DepositModule
from app.lirf.networks import InputSpec, Network
from app.lirf.recover import RecoverNet
from app.lirf.surrogates import rotated_mixup

MIXES = 2048
BATCH = 128


@dataclass(frozen=True)
class Calibration:
    """What T0 answers where levels are set.

    Attributes:
        inputs: normalised turned mix-ups, [M, C, H, W].
        original: z_T0, [M, C].
    """

    inputs: Tensor
    original: Tensor

    @classmethod
    def of(cls, original: Network, spec: InputSpec, images: Tensor, seed: int) -> "Calibration":
        """Mix-ups of up to `MIXES` of the images, uint8 [N, C, H, W], and T0's word on them, on the CPU."""
        chance = torch.Generator().manual_seed(seed)
        chosen = torch.randperm(len(images), generator=chance)[:MIXES]
        inputs = rotated_mixup(spec.normalise(images[chosen]), chance)
        return cls(inputs, _ask(copy.deepcopy(original).cpu().frozen(), inputs))

    def levelled(
        self, target: Network, modules: Sequence[DepositModule], absent: Sequence[int] = ()
    ) -> tuple[DepositModule, ...]:
        """The modules with their `LEVEL`, set one after the other; residual ones own no logits and stay as they are.

        Args:
            target: T, as it will be served.
            modules: of this deposit.
            absent: classes that earlier deposits took out.
        """
        net = RecoverNet(target, modules)
        branches = {
            one.order: _ask_branch(net, index, self.inputs) for index, one in enumerate(net.modules_in_order)
        }
        filters = {one.order: one.filter for one in modules}
        served = _ask(target, self.inputs)
        levels: dict[object, float] = {}
        for one in modules:
            if one.filter.kind == "classes":
                composed = compose(served, [(filters[order], branches[order]) for order in branches])
                levels[one.order] = level_of(composed, self.original, one.filter)
                branches[one.order] = branches[one.order] + levels[one.order]
        return tuple(
            replace(
                one,
                tensors={**one.tensors, LEVEL: self._at([*one.filter.classes, *absent], levels[one.order])},
            )
            if one.order in levels
            else one
            for one in modules
        )

    def _at(self, classes: Sequence[int], level: float) -> Tensor:
        """The level at these classes, 0 elsewhere: [C]."""
        return torch.zeros(self.original.shape[1]).index_fill(0, torch.tensor(classes), level)


def level_of(composed: Tensor, original: Tensor, owner: LogitFilter) -> float:
    """What to add to the owner's logits so that they win as often as in T0: halfway between two margins.

    Args:
        composed: T~, [M, C].
        original: T0, [M, C].
        owner: the classes.

    Returns:
        0 where T0 names these classes always or never, since no level is too far then.
    """
    wanted = int((margins(original, owner) > 0).sum())
    if not 0 < wanted < len(original):
        return 0.0
    ordered = margins(composed, owner).sort(descending=True).values
    return -float(ordered[wanted - 1] + ordered[wanted]) / 2


def margins(logits: Tensor, owner: LogitFilter) -> Tensor:
    """Best logit of the owner's classes less the best of all others: [M, C] -> [M]."""
    others = [index for index in range(logits.shape[1]) if index not in owner.classes]
    return owner.select(logits).amax(dim=1) - columns(logits, others).amax(dim=1)


@torch.no_grad()
def _ask(net: Network, inputs: Tensor) -> Tensor:
    return torch.cat([net(batch) for batch in torch.split(inputs, BATCH)])


@torch.no_grad()
def _ask_branch(net: RecoverNet, index: int, inputs: Tensor) -> Tensor:
    return torch.cat([net.branch_logits(index, batch) for batch in torch.split(inputs, BATCH)])
