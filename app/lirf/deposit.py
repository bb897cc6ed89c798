"""Knowledge deposit (Algorithm 1): move a subset's knowledge out of T0 into deposit modules.

Read `deposit` from the top; what is minimised stands in `objectives`.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from app.lirf.calibration import Calibration
from app.lirf.checks import finite, require_labels
from app.lirf.config import DepositConfig, Progress
from app.lirf.errors import InvalidInputError
from app.lirf.filters import LogitFilter, preserved_classes
from app.lirf.folding import folded
from app.lirf.framing import hole_corners
from app.lirf.module import DepositModule
from app.lirf.networks import InputSpec, Network, classifier, published_state
from app.lirf.objectives import Parts, paper_objective, plus_objective
from app.lirf.optimiser import Optimiser
from app.lirf.partition import partition, recompose
from app.lirf.precision import mixed
from app.lirf.pruning import prune_and_tell
from app.lirf.reader import Reader
from app.lirf.reconstruction import reconstruct
from app.lirf.retain import RetainSet, draw, require_retain
from app.lirf.rows import sealed_classes, take_rows, without_rows
from app.lirf.selection import Surgeon
from app.lirf.surrogates import patch_mix
from app.lirf.teacher import Teacher

EXAMPLES = 256
SHARED_STEPS = 1.5
"""Least steps of a deposit with a set that shares its classes, to those of others: single answers change slowly."""


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


@dataclass(frozen=True)
class DepositResult:
    """What a deposit leaves behind.

    Attributes:
        target: T, frozen, on the CPU, ready to be served; without the sealed rows.
        target_shallow: published tensors of its shallow part: all that changed, but for sealed rows.
        modules: one per set, in the order of the sets.
        curves: per epoch the mean of every weighted term and of ``total``.
    """

    target: Network
    target_shallow: dict[str, Tensor]
    modules: tuple[DepositModule, ...]
    curves: list[dict[str, float]]


@dataclass(frozen=True)
class _Pool:
    """The samples of all sets together, with the index of each one's set and the corner of its hole."""

    images: Tensor
    labels: Tensor
    owners: Tensor
    corners: Tensor

    @classmethod
    def of(cls, sets: Sequence[DepositSet], seed: int) -> "_Pool":
        images = torch.cat([one.images for one in sets])
        return cls(
            images=images,
            labels=torch.cat([one.labels for one in sets]),
            owners=torch.cat([torch.full_like(one.labels, index) for index, one in enumerate(sets)]),
            corners=hole_corners(images, torch.Generator().manual_seed(seed)),
        )


def deposit(
    original: Network,
    spec: InputSpec,
    split: int,
    sets: Sequence[DepositSet],
    config: DepositConfig | None = None,
    *,
    retain: RetainSet | None = None,
    absent: tuple[int, ...] = (),
    device: str | torch.device = "cpu",
    on_step: Callable[[Progress], None] | None = None,
    on_epoch: Callable[[int, DepositResult], None] | None = None,
) -> DepositResult:
    """Deposit several sets at once; for a sequence, call again with the target of the call before.

    Args:
        original: T0, or an earlier target; it is not altered, whatever happens.
        spec: what it reads.
        split: n, the block at which it is divided.
        sets: D_r^1..D_r^m, disjoint.
        config: hyper-parameters; `lirf+` by default.
        retain: kept images, which then take the place of half of the surrogates (`lirf+` only).
        absent: classes that earlier deposits took out; sealed rows are recognised without being named.
        device: where to train.
        on_step: called after every step; what it raises cancels the deposit.
        on_epoch: called after every epoch, from 1, with what the deposit would leave behind if it ended there.

    Raises:
        InvalidInputError: sets, split or settings that cannot work, a retain set that would not be used, or a
            loss that is no longer a number.
    """
    config = config or DepositConfig()
    num_classes = classifier(original).out_features
    gone = tuple(sorted({*absent, *sealed_classes(original)}))
    filters = [LogitFilter.of(deposit_set.classes) for deposit_set in sets]
    require_sets(sets, spec, num_classes, gone)
    require_retain(retain, spec, config)
    shared = _shares(filters, config)
    chance = torch.Generator().manual_seed(config.seed)

    frozen_shallow, deep = partition(copy.deepcopy(original).frozen().to(device), split)
    shallow = copy.deepcopy(frozen_shallow).requires_grad_()
    pool = _Pool.of(sets, config.seed)
    images = pool.images
    examples = _examples(images, spec, chance).to(device)
    surgeon = Surgeon(frozen_shallow, examples, chance) if config.reconstruct and config.prune_ratio else None
    pruned = [prune_and_tell(frozen_shallow, config.prune_ratio, spec.shape, surgeon) for _ in filters]
    trained = nn.ModuleList([shallow, *(branch for branch, _ in pruned)])
    for part in (frozen_shallow, deep, trained):
        part.to(memory_format=torch.channels_last)
    trained.train(mode=not config.freeze_statistics)
    fold = folded if config.freeze_statistics else _as_it_is
    parts = Parts(
        shallow=fold(shallow),
        trunk=folded(deep.part(0, len(deep) - 1)),
        head=deep.part(len(deep) - 1),
        branches=[(owner, fold(branch)) for owner, (branch, _) in zip(filters, pruned, strict=True)],
        preserved=preserved_classes(num_classes, filters, gone),
        present=preserved_classes(num_classes, [], gone),
        reader=Reader(num_classes),
    )
    teacher = Teacher.of(folded(frozen_shallow), parts, config)
    objective = paper_objective if config.objective == "lirf" else plus_objective

    per_epoch = -(-len(images) // config.batch_size)
    least = config.min_steps * (SHARED_STEPS if shared else 1)
    epochs = max(config.epochs, math.ceil(least / per_epoch))
    examples = examples.to(memory_format=torch.channels_last)
    if config.reconstruct:
        for branch, kept in pruned:
            reconstruct(branch, frozen_shallow, kept, examples, chance)
    optimiser = Optimiser(config, trained, examples, steps=epochs * per_epoch, generator=chance)

    curves: list[dict[str, float]] = []
    calibration = (
        Calibration.of(original, spec, images, config.seed)
        if config.calibrate and any(owner.kind == "classes" for owner in filters)
        else None
    )
    left_behind = partial(_result, trained, deep, filters, split, config, calibration, gone, curves)
    step = 0
    for epoch in range(1, epochs + 1):
        sums: dict[str, float] = {}
        for chosen in torch.split(torch.randperm(len(images), generator=chance), config.batch_size):
            inputs = spec.normalise(images[chosen].to(device)).to(memory_format=torch.channels_last)
            with mixed(device, config.precision):
                batch = teacher.batch(
                    inputs,
                    pool.labels[chosen],
                    pool.owners[chosen],
                    chance,
                    pool.corners[chosen],
                    draw(retain, len(chosen) // 2, spec, chance),
                )
                terms = objective(batch, parts, config)
            total = torch.stack(list(terms.values())).sum()
            optimiser.step(total)
            step += 1
            values = {name: float(value.detach()) for name, value in terms.items()}
            values["total"] = finite(total, "config.learning_rate", step)
            sums = {name: sums.get(name, 0.0) + value for name, value in values.items()}
            if on_step:
                on_step(Progress(epoch, epochs, step, epochs * per_epoch, values))
        curves.append({name: value / per_epoch for name, value in sums.items()})
        if on_epoch:
            on_epoch(epoch, left_behind())

    return left_behind()


def _result(
    trained: nn.ModuleList,
    deep: Network,
    filters: Sequence[LogitFilter],
    split: int,
    config: DepositConfig,
    calibration: Calibration | None,
    absent: tuple[int, ...],
    curves: list[dict[str, float]],
) -> DepositResult:
    """What the networks are worth now, as copies: training may go on."""
    copies = copy.deepcopy(trained).cpu().to(memory_format=torch.contiguous_format)
    shallow, *branches = cast("list[Network]", list(copies))
    frozen_deep = copy.deepcopy(deep).cpu().to(memory_format=torch.contiguous_format)
    target = recompose(shallow, frozen_deep).frozen()
    owned = [index for owner in filters for index in owner.classes]
    served = without_rows(target, owned) if config.seal_rows else target
    modules = tuple(
        _module(target, owner, branch.frozen(), split, config)
        for owner, branch in zip(filters, branches, strict=True)
    )
    return DepositResult(
        target=served,
        target_shallow=published_state(shallow),
        modules=calibration.levelled(served, modules, absent) if calibration else modules,
        curves=list(curves),
    )


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


def _as_it_is(net: Network) -> Network:
    return net


def _module(
    target: Network, owner: LogitFilter, branch: Network, split: int, config: DepositConfig
) -> DepositModule:
    rows = take_rows(target, owner.classes) if config.seal_rows and owner.kind == "classes" else {}
    return DepositModule(
        tensors={**published_state(branch), **rows}, filter=owner, split=split, prune_ratio=config.prune_ratio
    )
