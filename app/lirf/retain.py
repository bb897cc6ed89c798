"""Kept data that a deposit may use when it is asked to; without it, T0 and D_r are all that a deposit sees."""

from dataclasses import dataclass

import torch
from torch import Tensor

from app.lirf.config import DepositConfig
from app.lirf.errors import InvalidInputError
from app.lirf.networks import InputSpec


@dataclass(frozen=True)
class RetainSet:
    """A few images that the target is to keep. T0 teaches what they show, so they need no labels.

    Attributes:
        images: uint8 [N, C, H, W]; none of them may belong to a deposit set.
    """

    images: Tensor


def require_retain(retain: RetainSet | None, spec: InputSpec, config: DepositConfig) -> None:
    """Refuse a retain set that the network cannot read or the deposit would not use.

    Raises:
        InvalidInputError: on ``retain`` or ``retain.images``.
    """
    if retain is None:
        return
    require_use(config)
    spec.require(retain.images, "retain.images")
    if not len(retain.images):
        raise InvalidInputError(
            "retain.images", "there are no images.", "Give at least one, or no retain set."
        )


def require_use(config: DepositConfig) -> None:
    """Refuse settings under which a retain set would be ignored: it takes the place of half of the surrogates.

    Raises:
        InvalidInputError: on ``retain``, where there are no surrogates; that is always so in ``lirf``.
    """
    if config.objective == "lirf":
        raise InvalidInputError(
            "retain",
            "the objective lirf learns from T0 and the deposit set alone, as in the paper.",
            "Choose the objective lirf+, or give no retain set.",
        )
    if not config.surrogates:
        raise InvalidInputError(
            "retain",
            "it takes the place of half of the surrogates, and the settings name none.",
            "Name a kind of surrogates, e.g. patch_mix, or give no retain set.",
        )


def draw(retain: RetainSet | None, count: int, spec: InputSpec, generator: torch.Generator) -> Tensor | None:
    """Normalised images [count, C, H, W] of the set, drawn at random with replacement; None if there is no set."""
    if retain is None:
        return None
    chosen = torch.randint(len(retain.images), (count,), generator=generator)
    return spec.normalise(retain.images[chosen])
