"""The distillation attack: what does a student learn from a network's answers alone?"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from app.lirf.config import Progress, TrainConfig
from app.lirf.errors import InvalidInputError
from app.lirf.losses import distillation
from app.lirf.networks import InputSpec, Network, classifier
from app.lirf.train import minimise


@dataclass(frozen=True)
class DistilConfig:
    """How a student is distilled.

    Attributes:
        train: epochs, batches, augmentation and optimiser; without labels, ``label_smoothing`` has no part.
        temperature: τ of the distillation, above 0.
    """

    train: TrainConfig = field(default_factory=TrainConfig)
    temperature: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise InvalidInputError(
                "config.temperature", f"{self.temperature!r} is out of range.", "Give a number above 0."
            )


def distil_student(
    teacher: Network,
    student: Network,
    spec: InputSpec,
    images: Tensor,
    config: DistilConfig | None = None,
    *,
    device: str | torch.device = "cpu",
    on_step: Callable[[Progress], None] | None = None,
) -> Network:
    """Train a student in place on KD(z_student, z_teacher) alone, without labels (LIRF, main paper Table 3).

    Give the teacher with its sealed rows put back (`app.lirf.rows.with_rows`). With sealed rows it answers
    deposited classes with probability 0 and so does the student: its Dep is 0 whatever the features hold,
    and says nothing. Dep of the student is taken over all logits; a linear probe on the student's features
    tells what was passed on below them.

    Args:
        teacher: the audited network; it is not altered.
        student: freshly created, of any architecture, with the teacher's number of classes.
        spec: what both read.
        images: uint8 [N, C, H, W], unlabelled, of any classes.
        config: see `DistilConfig`.
        device: where to train.
        on_step: called after every step; what it raises ends the training.

    Returns:
        The student, frozen, on the CPU.

    Raises:
        InvalidInputError: images that do not fit, another number of classes, or a loss that is no longer a
            number.
    """
    config = config or DistilConfig()
    taught, known = classifier(student).out_features, classifier(teacher).out_features
    if taught != known:
        raise InvalidInputError(
            "student",
            f"it has {taught} classes where the teacher has {known}.",
            "Create it with the teacher's classes.",
        )
    frozen = copy.deepcopy(teacher).frozen().to(device).to(memory_format=torch.channels_last)

    def loss(inputs: Tensor, _: Tensor) -> Tensor:
        with torch.no_grad():
            answers = frozen(inputs)
        return distillation(student(inputs).float(), answers.float(), config.temperature)

    return minimise(student, spec, images, loss, config.train, device=device, on_step=on_step)
