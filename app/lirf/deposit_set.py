"""What is deposited, and what can be deposited together."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from app.lirf.checks import require_labels
from app.lirf.errors import InvalidInputError
from app.lirf.networks import InputSpec


@dataclass(frozen=True)
class DepositSet:
    """D_r^i: what one module will hold.

    Attributes:
        images: uint8 [N, C, H, W].
        labels: int64 [N].
        classes: the classes it consists of, all of whose samples it holds; None if it shares its classes
            with preserved data.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[int, ...] | None


def require_sets(
    sets: Sequence[DepositSet], spec: InputSpec, num_classes: int, absent: Sequence[int]
) -> None:
    """Refuse sets that cannot be deposited together.

    Raises:
        InvalidInputError: no set, an empty one, images or labels that do not fit, a class outside the
            network, in two sets or already deposited, or no class left to preserve.
    """
    if not sets:
        raise InvalidInputError("sets", "there is nothing to deposit.", "Select at least one sample.")
    taken: set[int] = set()
    for index, deposit_set in enumerate(sets):
        spec.require(deposit_set.images, f"sets[{index}].images")
        require_labels(deposit_set.labels, len(deposit_set.images), num_classes, f"sets[{index}].labels")
        taken |= _require_classes(deposit_set, f"sets[{index}].classes", num_classes, set(absent), taken)
    if len(taken) + len(absent) >= num_classes:
        raise InvalidInputError(
            "sets",
            "no class would be left to preserve.",
            "Keep at least one class, or erase the model instead.",
        )


def _require_classes(
    deposit_set: DepositSet, field: str, num_classes: int, absent: set[int], taken: set[int]
) -> set[int]:
    """The classes that the set owns, none for a residual set."""
    classes = set(deposit_set.classes or ())
    strangers = sorted(set(deposit_set.labels.tolist()) - classes) if deposit_set.classes is not None else []
    if strangers:
        raise InvalidInputError(
            field,
            f"the set holds samples of class {strangers[0]}, which is not among {sorted(classes)}.",
            "List every class of the set, or give None for a set that shares its classes.",
        )
    if not classes <= set(range(num_classes)):
        raise InvalidInputError(
            field, f"{sorted(classes)} are not all in 0..{num_classes - 1}.", "Name classes of the network."
        )
    if classes & absent:
        raise InvalidInputError(
            field, f"class {min(classes & absent)} was deposited before.", "Leave out deposited classes."
        )
    if classes & taken:
        raise InvalidInputError(
            field, f"class {min(classes & taken)} is in two sets.", "Put each class into one set."
        )
    return classes
