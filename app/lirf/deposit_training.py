"""The networks of a deposit in training (Algorithm 1): T^(-n) and the branches T_r^i, taught by T0 and T*."""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from app.lirf.checks import finite
from app.lirf.config import DepositConfig
from app.lirf.deposit_set import DepositSet
from app.lirf.errors import InvalidInputError
from app.lirf.filters import LogitFilter, preserved_classes
from app.lirf.folding import folded
from app.lirf.framing import hole_corners
from app.lirf.networks import InputSpec, Network, classifier
from app.lirf.objectives import Parts, paper_objective, plus_objective
from app.lirf.optimiser import Optimiser
from app.lirf.partition import partition
from app.lirf.precision import mixed
from app.lirf.pruning import prune_and_tell
from app.lirf.reader import Reader
from app.lirf.reconstruction import reconstruct
from app.lirf.retain import RetainSet, draw
from app.lirf.selection import Surgeon
from app.lirf.surrogates import patch_mix
from app.lirf.teacher import Teacher

EXAMPLES = 256
SHARED_STEPS = 1.5
"""Least steps of a deposit with a set that shares its classes, to those of others: single answers change slowly."""


@dataclass(frozen=True)
class _Pool:
    """The samples of all sets together, with the index of each one's set and the corner of its hole."""

    images: Tensor
    labels: Tensor
    owners: Tensor
    corners: Tensor

    @classmethod
    def of(cls, sets: Sequence[DepositSet], seed: int) -> Self:
        images = torch.cat([one.images for one in sets])
        return cls(
            images=images,
            labels=torch.cat([one.labels for one in sets]),
            owners=torch.cat([torch.full_like(one.labels, index) for index, one in enumerate(sets)]),
            corners=hole_corners(images, torch.Generator().manual_seed(seed)),
        )


class DepositTraining:
    """One deposit at work.

    Args:
        original: T0, or an earlier target; it is not altered.
        spec: what it reads.
        split: n, the block at which it is divided.
        sets: D_r^1..D_r^m.
        filters: one per set.
        config: hyper-parameters.
        retain: kept images, or None.
        gone: classes that earlier deposits took out.
        device: where to train.

    Attributes:
        trained: T^(-n) and T_r^1..T_r^m, in training.
        deep: T^(n-), frozen.
        epochs: how many there will be.
        epoch_steps: steps of each.

    Raises:
        InvalidInputError: the split, or surrogates that are missing.
    """

    def __init__(
        self,
        original: Network,
        spec: InputSpec,
        split: int,
        sets: Sequence[DepositSet],
        filters: Sequence[LogitFilter],
        config: DepositConfig,
        *,
        retain: RetainSet | None,
        gone: tuple[int, ...],
        device: str | torch.device,
    ) -> None:
        least = config.min_steps * (SHARED_STEPS if _shares(filters, config) else 1)
        self._spec, self._config, self._retain, self._device = spec, config, retain, device
        self._pool = pool = _Pool.of(sets, config.seed)
        self._chance = chance = torch.Generator().manual_seed(config.seed)
        self.epoch_steps = -(-len(pool.images) // config.batch_size)
        self.epochs = max(config.epochs, math.ceil(least / self.epoch_steps))

        frozen_shallow, self.deep = partition(copy.deepcopy(original).frozen().to(device), split)
        shallow = copy.deepcopy(frozen_shallow).requires_grad_()
        examples = _examples(pool.images, spec, chance).to(device)
        surgeon = (
            Surgeon(frozen_shallow, examples, chance) if config.reconstruct and config.prune_ratio else None
        )
        pruned = [prune_and_tell(frozen_shallow, config.prune_ratio, spec.shape, surgeon) for _ in filters]
        branches = [branch for branch, _ in pruned]
        self.trained = nn.ModuleList([shallow, *branches]).train(mode=not config.freeze_statistics)
        for part in (frozen_shallow, self.deep, self.trained):
            part.to(memory_format=torch.channels_last)
        self._parts = _parts(self.deep, shallow, branches, filters, gone, fold=config.freeze_statistics)
        self._teacher = Teacher.of(folded(frozen_shallow), self._parts, config)

        examples = examples.to(memory_format=torch.channels_last)
        if config.reconstruct:
            for branch, kept in pruned:
                reconstruct(branch, frozen_shallow, kept, examples, chance)
        steps = self.epochs * self.epoch_steps
        self._optimiser = Optimiser(config, self.trained, examples, steps=steps, generator=chance)

    def epoch(self) -> Iterator[dict[str, float]]:
        """Train on every deposited sample once; per step every weighted term of the objective, and ``total``.

        Raises:
            InvalidInputError: a loss that is no longer a number.
        """
        order = torch.randperm(len(self._pool.images), generator=self._chance)
        for chosen in torch.split(order, self._config.batch_size):
            yield self._step(chosen)

    def _step(self, chosen: Tensor) -> dict[str, float]:
        pool, config = self._pool, self._config
        objective = paper_objective if config.objective == "lirf" else plus_objective
        inputs = self._spec.normalise(pool.images[chosen].to(self._device))
        with mixed(self._device, config.precision):
            batch = self._teacher.batch(
                inputs.to(memory_format=torch.channels_last),
                pool.labels[chosen],
                pool.owners[chosen],
                self._chance,
                pool.corners[chosen],
                draw(self._retain, len(chosen) // 2, self._spec, self._chance),
            )
            terms = objective(batch, self._parts, config)
        total = torch.stack(list(terms.values())).sum()
        self._optimiser.step(total)
        values = {name: float(value.detach()) for name, value in terms.items()}
        return {**values, "total": finite(total, "config.learning_rate", self._optimiser.taken)}


def _shares(filters: Sequence[LogitFilter], config: DepositConfig) -> bool:
    """Whether a set shares its classes, which `lirf+` can deposit with surrogates only.

    Raises:
        InvalidInputError: on ``config.surrogates``.
    """
    shared = config.objective == "lirf+" and any(owner.kind == "residual" for owner in filters)
    if shared and not config.surrogates:
        raise InvalidInputError(
            "config.surrogates",
            "none, yet a set shares its classes.",
            "Name at least one kind, e.g. patch_mix.",
        )
    return shared


def _examples(images: Tensor, spec: InputSpec, chance: torch.Generator) -> Tensor:
    """Normalised inputs [N, C, H, W] from which layers are reconstructed and whitened: half of them collages."""
    chosen = torch.randperm(len(images), generator=chance)[:EXAMPLES]
    inputs = spec.normalise(images[chosen])
    half = len(inputs) // 2
    return torch.cat([inputs[:half], patch_mix(inputs[half:], chance)])


def _parts(
    deep: Network,
    shallow: Network,
    branches: Sequence[Network],
    filters: Sequence[LogitFilter],
    gone: tuple[int, ...],
    *,
    fold: bool,
) -> Parts:
    """The networks as the objectives ask them; with ``fold`` each BatchNorm, whose statistics stay, is merged."""
    num_classes = classifier(deep).out_features
    asked = folded if fold else _as_it_is
    return Parts(
        shallow=asked(shallow),
        trunk=folded(deep.part(0, len(deep) - 1)),
        head=deep.part(len(deep) - 1),
        branches=[(owner, asked(branch)) for owner, branch in zip(filters, branches, strict=True)],
        preserved=preserved_classes(num_classes, filters, gone),
        present=preserved_classes(num_classes, [], gone),
        reader=Reader(num_classes),
    )


def _as_it_is(net: Network) -> Network:
    return net
