import math

import torch
from torch import Tensor

from app.lirf.errors import InvalidInputError


def finite(loss: Tensor, field: str, step: int) -> float:
    """The loss as a number.

    Raises:
        InvalidInputError: it is NaN or infinite.
    """
    value = float(loss.detach())
    if not math.isfinite(value):
        raise InvalidInputError(
            field,
            f"the loss is {value} after step {step}: training diverged.",
            "Choose a smaller learning rate.",
        )
    return value


def require_labels(labels: Tensor, count: int, num_classes: int, field: str = "labels") -> None:
    """Refuse labels that are not int64 [N] in 0..num_classes-1.

    Raises:
        InvalidInputError: no images, another count or type, or a class that the network lacks.
    """
    if count == 0:
        raise InvalidInputError(field, "there are no images.", "Give at least one.")
    if labels.dtype != torch.int64 or tuple(labels.shape) != (count,):
        raise InvalidInputError(
            field,
            f"they are {labels.dtype} {list(labels.shape)} for {count} images.",
            "Give one int64 class index per image.",
        )
    if int(labels.min()) < 0 or int(labels.max()) >= num_classes:
        worst = int(labels.max()) if int(labels.max()) >= num_classes else int(labels.min())
        raise InvalidInputError(
            field,
            f"class {worst} is outside 0..{num_classes - 1}.",
            "Give class indices that the network has.",
        )


def require_setting(field: str, value: object, holds: bool, remedy: str) -> None:  # noqa: FBT001
    """Refuse a setting that does not hold.

    Raises:
        InvalidInputError: naming ``config.<field>``.
    """
    if not holds:
        raise InvalidInputError(f"config.{field}", f"{value!r} is out of range.", remedy)
