from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

FilterKind = Literal["classes", "residual"]


@dataclass(frozen=True)
class LogitFilter:
    """g_bar_i: which logits a deposit module answers for.

    Attributes:
        kind: ``classes`` when the set consists of whole classes, whose logits the module then owns;
            ``residual`` when it shares them with preserved data, so that the module adds to all logits.
        classes: the classes of the set, ascending; empty for ``residual``.
    """

    kind: FilterKind
    classes: tuple[int, ...] = ()

    @classmethod
    def of(cls, classes: Iterable[int] | None) -> "LogitFilter":
        return cls("residual") if classes is None else cls("classes", tuple(sorted(classes)))

    def select(self, logits: Tensor) -> Tensor:
        """Logits [N, C] -> the columns of this set [N, k]; all of them for a residual set."""
        return logits if self.kind == "residual" else columns(logits, self.classes)


def columns(logits: Tensor, classes: Sequence[int]) -> Tensor:
    """Columns of [N, C] in the given order: [N, k]."""
    return logits.index_select(1, torch.tensor(classes, dtype=torch.long, device=logits.device))


def preserved_classes(
    num_classes: int, filters: Iterable[LogitFilter], absent: Iterable[int] = ()
) -> tuple[int, ...]:
    """g: classes that no set owns and no earlier deposit sealed."""
    gone = {index for logit_filter in filters for index in logit_filter.classes} | set(absent)
    return tuple(index for index in range(num_classes) if index not in gone)


def compose(target: Tensor, branches: Sequence[tuple[LogitFilter, Tensor]]) -> Tensor:
    """T~(x) = g(T(x)) + Σ_i g_bar_i(T_r^i then T^(n-) (x)) (Eq. 5), the one composition there is.

    Args:
        target: T(x), [N, C].
        branches: per withdrawn module its filter and its logits [N, C]; the logits of a residual module come
            without the classifier's bias, so that a module that has nothing to say adds zero.

    Returns:
        [N, C]. Logits of withdrawn classes are the branch's own bits, all others T's own bits plus
        whatever residual modules add, in the order given.
    """
    composed = target
    for logit_filter, logits in branches:
        if logit_filter.kind == "residual":
            composed = composed + logits
    for logit_filter, logits in branches:
        if logit_filter.kind == "classes":
            index = torch.tensor(logit_filter.classes, dtype=torch.long, device=target.device)
            composed = composed.index_copy(1, index, logits.index_select(1, index))
    return composed
