"""What the demo assumes about a data set, unless it is told otherwise."""

from dataclasses import dataclass, field, replace
from typing import Any

IMAGENET_MEAN = [0.485, 0.456, 0.406]
IMAGENET_STD = [0.229, 0.224, 0.225]


@dataclass(frozen=True)
class Preset:
    """Bodies of POST /models (``input``, ``train``) and POST /deposits (``deposit``), in part."""

    architecture: str
    input: dict[str, Any]
    classes: tuple[str, ...]
    train: dict[str, Any] = field(default_factory=dict)
    deposit: dict[str, Any] = field(default_factory=dict)


DIGITS = Preset(
    architecture="resnet20",
    input={"channels": 1, "height": 8, "width": 8, "mean": [0.306], "std": [0.376]},
    classes=("3", "8"),
    train={"epochs": 20, "batch_size": 64, "learning_rate": 0.1, "shift": 1},
)

SMALL_PHOTOGRAPHS = Preset(
    architecture="resnet20",
    input={"channels": 3, "height": 32, "width": 32, "mean": IMAGENET_MEAN, "std": IMAGENET_STD},
    classes=(),
    train={"epochs": 10, "batch_size": 128, "learning_rate": 0.1, "shift": 4, "flip": True},
)


def preset_for(dataset: str, shape: tuple[int, int, int], architecture: str | None) -> Preset:
    """The digits' own preset, or that of photographs of the given (channels, height, width)."""
    chosen = DIGITS if dataset == "digits" else SMALL_PHOTOGRAPHS
    if dataset != "digits":
        chosen = replace(chosen, input={**chosen.input, "height": shape[1], "width": shape[2]})
    return replace(chosen, architecture=architecture) if architecture else chosen
