from collections.abc import Sequence

import torch
from torch import Tensor, nn

from app.lirf.errors import InvalidInputError
from app.lirf.filters import compose
from app.lirf.module import LEVEL, DepositModule
from app.lirf.networks import Network, classifier
from app.lirf.partition import partition
from app.lirf.rebuilding import rebuild
from app.lirf.rows import with_rows


class RecoverNet(nn.Module):
    """T~ = g(T(x)) + Σ_i g_bar_i(T_r^i then T^(n-) (x)) (Eq. 5): the target with any withdrawn modules.

    Without modules it answers as the target alone. It shares the target's own blocks, which it freezes, so
    that the deep part is held once for the target and every branch and recover net of it. Classes that were
    deposited and not withdrawn keep the target's own logits, which say "never" if their rows are sealed.

    Args:
        target: T, whose last block is the classifier.
        modules: withdrawn, in any order.
        split: where the target is divided if there are no modules to tell it; before the classifier if not given.

    Raises:
        InvalidInputError: two modules own the same class, were divided at different blocks, or do not fit.
    """

    def __init__(
        self, target: Network, modules: Sequence[DepositModule] = (), split: int | None = None
    ) -> None:
        super().__init__()
        self.modules_in_order = tuple(sorted(modules, key=lambda module: module.order))
        _require_compatible(target, self.modules_in_order)
        divided = self.modules_in_order[0].split if modules else split or len(target) - 1
        shallow, deep = partition(target.frozen(), divided)
        self.shallow = shallow
        self.trunk = deep.part(0, len(deep) - 1)
        self.head = deep.part(len(deep) - 1)
        self.restored_head = with_rows(
            self.head, [(module.filter.classes, module.tensors) for module in self.modules_in_order]
        )
        self.branches = nn.ModuleList(rebuild(shallow, module.tensors) for module in self.modules_in_order)
        self.level = nn.Parameter(
            _level_of(self.modules_in_order, classifier(target).bias), requires_grad=False
        )
        self.eval()

    def target_logits(self, x: Tensor) -> Tensor:
        """T(x): [N, C]."""
        logits: Tensor = self.head(self.trunk(self.shallow(x)))
        return logits

    def branch_logits(self, index: int, x: Tensor) -> Tensor:
        """T_r^i then T^(n-), at the modules' level: [N, C]; without the classifier's bias for a residual module."""
        features = self.trunk(self.branches[index](x))
        if self.modules_in_order[index].filter.kind == "residual":
            return residual_logits(self.head, features)
        logits: Tensor = self.restored_head(features) + self.level
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images [N, C, H, W] -> logits [N, classes]."""
        branches = [
            (module.filter, self.branch_logits(index, x))
            for index, module in enumerate(self.modules_in_order)
        ]
        return compose(self.target_logits(x), branches)


def _level_of(modules: Sequence[DepositModule], bias: Tensor) -> Tensor:
    """What the modules add to their deposit logits together, like the classifier's bias: [C]."""
    level = torch.zeros_like(bias)
    for module in modules:
        if LEVEL in module.tensors:
            level = level + module.tensors[LEVEL].to(level)
    return level


def residual_logits(head: Network, features: Tensor) -> Tensor:
    """W f(x): the head's logits less its bias, so that a branch without features adds exactly nothing."""
    logits: Tensor = head(features)
    return logits - classifier(head).bias


def _require_compatible(target: Network, modules: Sequence[DepositModule]) -> None:
    num_classes = classifier(target).out_features
    owned: set[int] = set()
    for module in modules:
        classes = set(module.filter.classes)
        if classes and not 0 <= min(classes) <= max(classes) < num_classes:
            raise InvalidInputError(
                "modules",
                f"classes {sorted(classes)} are outside 0..{num_classes - 1}.",
                "Withdraw modules that were deposited from this model.",
            )
        if owned & classes:
            raise InvalidInputError(
                "modules",
                f"class {min(owned & classes)} is owned by two modules.",
                "Withdraw each deposit once.",
            )
        owned |= classes
    if len({module.split for module in modules}) > 1:
        raise InvalidInputError(
            "modules",
            f"they were divided at blocks {sorted({module.split for module in modules})}.",
            "Withdraw modules that were deposited from the same model.",
        )
