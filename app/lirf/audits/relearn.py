"""The relearning attack: how many steps of fine-tuning bring the deposited classes back?"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from app.lirf.checks import finite, require_labels
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import accuracy, logits
from app.lirf.networks import InputSpec, Network, classifier
from app.lirf.precision import mixed
from app.lirf.rows import sealed_classes

HUNDRED = 100.0


@dataclass(frozen=True)
class RelearnConfig:
    """How the attacker trains, and when the attack counts as won.

    Attributes:
        share: of the original's accuracy that has to come back, above 0 and up to 1.
        max_steps: optimiser steps before the attacker gives up; 0 only measures.
        every: steps between two measurements, hence the resolution of the result.
        batch_size: images per step, drawn anew for each step without repetition.
        learning_rate: of Adam.
        seed: of the batches and of fresh rows.
    """

    share: float = 0.95
    max_steps: int = 500
    every: int = 5
    batch_size: int = 128
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        for field, holds, remedy in (
            ("share", 0 < self.share <= 1, "Give a number above 0 and up to 1."),
            ("max_steps", self.max_steps >= 0, "Give a whole number from 0."),
            ("every", self.every >= 1, "Give a whole number from 1."),
            ("batch_size", self.batch_size >= 1, "Give a whole number from 1."),
            ("learning_rate", 0 < self.learning_rate < float("inf"), "Give a number above 0."),
        ):
            if not holds:
                raise InvalidInputError(
                    f"config.{field}", f"{getattr(self, field)!r} is out of range.", remedy
                )


@dataclass(frozen=True)
class Relearned:
    """What the attack achieved.

    Attributes:
        steps: optimiser steps until the wanted accuracy was measured; None if it never was.
        curve: (step, accuracy in percent) of every measurement, from step 0.
    """

    steps: int | None
    curve: tuple[tuple[int, float], ...]


def relearn(
    net: Network,
    spec: InputSpec,
    images: Tensor,
    labels: Tensor,
    test_images: Tensor,
    test_labels: Tensor,
    original_accuracy: float,
    config: RelearnConfig | None = None,
    *,
    device: str | torch.device = "cpu",
) -> Relearned:
    """Fine-tune a copy of the network until it answers the test samples almost as the original did.

    All parameters are trained with cross entropy, BatchNorm in training mode; sealed rows start afresh. The
    steps divided by those of a network retrained without D_r are the Anamnesis Index (AIN; Chundawat et al.,
    2201.05629): 1 where nothing was left behind, far below 1 where forgetting was shallow.

    Args:
        net: the audited network; it is not altered.
        spec: what it reads.
        images: uint8 [N, C, H, W] that the attacker holds. With images of all classes, answering only
            deposited classes does not pay.
        labels: int64 [N].
        test_images: uint8 [M, C, H, W], deposited samples that the attacker does not hold.
        test_labels: int64 [M].
        original_accuracy: Dep(T0) on the test samples, in percent.
        config: see `RelearnConfig`.
        device: where to train.

    Raises:
        InvalidInputError: images, labels or accuracy that do not fit, or a loss that is no longer a number.
    """
    config = config or RelearnConfig()
    num_classes = classifier(net).out_features
    for samples, answers, prefix in ((images, labels, ""), (test_images, test_labels, "test_")):
        spec.require(samples, f"{prefix}images")
        require_labels(answers, len(samples), num_classes, f"{prefix}labels")
    if not 0 < original_accuracy <= HUNDRED:
        raise InvalidInputError(
            "original_accuracy",
            f"{original_accuracy!r} is not above 0 and up to 100.",
            "Give Dep of the original on the test samples, in percent.",
        )
    chance = torch.Generator().manual_seed(config.seed)
    attacked = _unlocked(net, chance).to(device).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(attacked.parameters(), lr=config.learning_rate)
    curve: list[tuple[int, float]] = []
    for step in range(config.max_steps + 1):
        if step > 0:
            batch = torch.randperm(len(images), generator=chance)[: config.batch_size]
            inputs = spec.normalise(images[batch].to(device))
            _fine_tune(attacked, optimiser, inputs, labels[batch].to(device), step)
        if step % config.every == 0 or step == config.max_steps:
            curve.append((step, accuracy(logits(attacked, test_images, spec), test_labels)))
            if curve[-1][1] >= config.share * original_accuracy:
                return Relearned(step, tuple(curve))
    return Relearned(None, tuple(curve))


def _unlocked(net: Network, chance: torch.Generator) -> Network:
    """A trainable copy; the sealed rows are drawn as a new nn.Linear draws them, uniform within ±1/√F."""
    unlocked = copy.deepcopy(net).cpu().requires_grad_()
    layer = classifier(unlocked)
    bound = layer.in_features**-0.5
    with torch.no_grad():
        for index in sealed_classes(unlocked):
            layer.weight[index].uniform_(-bound, bound, generator=chance)
            layer.bias[index].uniform_(-bound, bound, generator=chance)
    return unlocked


def _fine_tune(
    net: Network, optimiser: torch.optim.Optimizer, inputs: Tensor, labels: Tensor, step: int
) -> None:
    net.train()
    with mixed(inputs.device, "auto"):
        loss = F.cross_entropy(net(inputs), labels)
    finite(loss, "config.learning_rate", step)
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    optimiser.step()
