import random
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from app.lirf.augmentation import flip, shift
from app.lirf.checks import finite, require_labels
from app.lirf.errors import InvalidInputError
from app.lirf.networks import InputSpec, Network, classifier
from app.lirf.precision import mixed
from app.lirf.progress import Progress
from app.lirf.train_config import TrainConfig


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (CPU and CUDA), so that initial weights are the same every time."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries read the global generator
    torch.manual_seed(seed)


def train(
    net: Network,
    spec: InputSpec,
    images: Tensor,
    labels: Tensor,
    config: TrainConfig,
    *,
    device: str | torch.device = "cpu",
    on_step: Callable[[Progress], None] | None = None,
) -> Network:
    """Train a network in place on the whole set D and return it, frozen, on the CPU: the original T0.

    Args:
        net: freshly created, or to be trained further.
        spec: what the network reads.
        images: uint8 [N, C, H, W].
        labels: int64 [N], each in 0..num_classes-1.
        config: see `TrainConfig`.
        device: ``cpu``, ``cuda`` or any torch device.
        on_step: called after every step; what it raises ends the training.

    Raises:
        InvalidInputError: images or labels that do not fit, or a loss that is no longer a number.
    """
    spec.require(images)
    require_labels(labels, len(images), classifier(net).out_features)

    def loss(inputs: Tensor, batch: Tensor) -> Tensor:
        return F.cross_entropy(net(inputs), labels[batch].to(device), label_smoothing=config.label_smoothing)

    return minimise(net, spec, images, loss, config, device=device, on_step=on_step)


def minimise(
    net: Network,
    spec: InputSpec,
    images: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    config: TrainConfig,
    *,
    device: str | torch.device = "cpu",
    on_step: Callable[[Progress], None] | None = None,
) -> Network:
    """The loop of `train` with any loss; the network is changed in place and returned frozen, on the CPU.

    Args:
        net: what is trained.
        spec: what it reads.
        images: uint8 [N, C, H, W].
        loss: of a batch, from its normalised, augmented inputs [B, C, H, W] and the indices [B] of its images;
            called in the precision of ``config``.
        config: see `TrainConfig`.
        device: ``cpu``, ``cuda`` or any torch device.
        on_step: called after every step; what it raises ends the training.

    Raises:
        InvalidInputError: no images, images that do not fit, or a loss that is no longer a number.
    """
    spec.require(images)
    if len(images) == 0:
        raise InvalidInputError("images", "there are none.", "Give at least one.")
    chance = torch.Generator().manual_seed(config.seed)
    net.to(device).to(memory_format=torch.channels_last).train().requires_grad_()
    steps = -(-len(images) // config.batch_size) * config.epochs
    optimiser = torch.optim.SGD(
        net.parameters(),
        lr=config.learning_rate,
        momentum=0.9,
        weight_decay=config.weight_decay,
        nesterov=True,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=steps + 1)
    step = 0
    for epoch in range(1, config.epochs + 1):
        for batch in torch.split(torch.randperm(len(images), generator=chance), config.batch_size):
            inputs = shift(spec.normalise(images[batch].to(device)), config.shift, chance)
            inputs = flip(inputs, chance) if config.flip else inputs
            with mixed(device, config.precision):
                total = loss(inputs, batch)
            optimiser.zero_grad()
            torch.autograd.backward(total)
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            step += 1
            losses = {"total": finite(total, "config.learning_rate", step)}
            if on_step:
                on_step(Progress(epoch, config.epochs, step, steps, losses))
    return net.cpu().to(memory_format=torch.contiguous_format).frozen()
