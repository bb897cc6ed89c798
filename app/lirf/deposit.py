"""Knowledge deposit (Algorithm 1): move a subset's knowledge out of T0 into deposit modules.

Read `deposit` from the top; a step of training stands in `deposit_training`, what is minimised in `objectives`.
"""

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor

from app.lirf.calibration import Calibration
from app.lirf.config import DepositConfig, Progress
from app.lirf.deposit_set import DepositSet, require_sets
from app.lirf.deposit_training import DepositTraining
from app.lirf.filters import LogitFilter
from app.lirf.module import DepositModule
from app.lirf.networks import InputSpec, Network, classifier, published_state
from app.lirf.partition import recompose
from app.lirf.retain import RetainSet, require_retain
from app.lirf.rows import sealed_classes, take_rows, without_rows


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
    gone = tuple(sorted({*absent, *sealed_classes(original)}))
    filters = [LogitFilter.of(deposit_set.classes) for deposit_set in sets]
    require_sets(sets, spec, classifier(original).out_features, gone)
    require_retain(retain, spec, config)
    training = DepositTraining(
        original, spec, split, sets, filters, config, retain=retain, gone=gone, device=device
    )
    calibration = (
        Calibration.of(original, spec, torch.cat([one.images for one in sets]), config.seed)
        if config.calibrate and any(owner.kind == "classes" for owner in filters)
        else None
    )
    curves: list[dict[str, float]] = []
    left_behind = partial(_result, training, filters, split, config, calibration, gone, curves)
    step, steps = 0, training.epochs * training.epoch_steps
    for epoch in range(1, training.epochs + 1):
        sums = Counter[str]()
        for losses in training.epoch():
            step += 1
            sums.update(losses)
            if on_step:
                on_step(Progress(epoch, training.epochs, step, steps, losses))
        curves.append({name: value / training.epoch_steps for name, value in sums.items()})
        if on_epoch:
            on_epoch(epoch, left_behind())
    return left_behind()


def _result(
    training: DepositTraining,
    filters: Sequence[LogitFilter],
    split: int,
    config: DepositConfig,
    calibration: Calibration | None,
    absent: tuple[int, ...],
    curves: list[dict[str, float]],
) -> DepositResult:
    """What the networks are worth now, as copies: training may go on."""
    copies = copy.deepcopy(training.trained).cpu().to(memory_format=torch.contiguous_format)
    shallow, *branches = cast("list[Network]", list(copies))
    frozen_deep = copy.deepcopy(training.deep).cpu().to(memory_format=torch.contiguous_format)
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


def _module(
    target: Network, owner: LogitFilter, branch: Network, split: int, config: DepositConfig
) -> DepositModule:
    rows = take_rows(target, owner.classes) if config.seal_rows and owner.kind == "classes" else {}
    return DepositModule(
        tensors={**published_state(branch), **rows}, filter=owner, split=split, prune_ratio=config.prune_ratio
    )
