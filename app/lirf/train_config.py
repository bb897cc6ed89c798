"""What a caller decides about training; apart from the deposit's settings, on which no trained network depends."""

from dataclasses import dataclass

from app.lirf.checks import require_setting
from app.lirf.precision import Precision


@dataclass(frozen=True)
class TrainConfig:
    """How an original network is trained: SGD with Nesterov momentum 0.9 and a one-cycle schedule.

    Attributes:
        epochs: passes over the data.
        batch_size: images per step.
        learning_rate: peak of the cycle.
        weight_decay: on all parameters.
        label_smoothing: share of the target spread over the other classes.
        shift: augment by up to this many pixels each way.
        flip: mirror half of the images.
        precision: of products; ``auto`` is bfloat16 where the device has it in hardware, else float32.
        seed: of the order, the augmentation and, through `seed_everything`, the initial weights.
    """

    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    shift: int = 0
    flip: bool = False
    precision: Precision = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for field in ("epochs", "batch_size"):
            require_setting(
                field, getattr(self, field), getattr(self, field) >= 1, "Give a whole number from 1."
            )
        require_setting(
            "learning_rate",
            self.learning_rate,
            0 < self.learning_rate < float("inf"),
            "Give a number above 0.",
        )
