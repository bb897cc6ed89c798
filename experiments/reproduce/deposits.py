"""Deposits made once, kept with all their nets, and shared by every study that asks for the same one."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from app.lirf.config import DepositConfig, Progress
from app.lirf.deposit import DepositResult, deposit
from app.lirf.deposit_set import DepositSet
from app.lirf.evaluation import class_mask
from app.lirf.filters import LogitFilter
from app.lirf.module import DepositModule
from app.lirf.networks import Network, load_published, published_state
from app.lirf.train import seed_everything
from experiments.reproduce.bench import Bench
from experiments.reproduce.cache import Place
from experiments.reproduce.identity import FORMAT, digest_code, digest_net
from experiments.reproduce.originals import empty
from experiments.reproduce.study import Work

CODE = ("app.lirf.deposit",)

OnEpoch = Callable[[int, DepositResult], None]
"""Given the number of each epoch, from 1, and what the deposit would leave behind if it ended there."""


@dataclass(frozen=True)
class Deposited:
    """What a deposit left behind, and the training behind it.

    Attributes:
        target: T.
        modules: one per set.
        curves: per epoch the mean of every weighted loss and of ``total``.
        work: the training.
    """

    target: Network
    modules: tuple[DepositModule, ...]
    curves: list[dict[str, float]]
    work: Work


def class_set(bench: Bench, classes: Sequence[int]) -> DepositSet:
    """All training images of these classes."""
    mask = class_mask(bench.train.labels, classes)
    return DepositSet(bench.train.images[mask], bench.train.labels[mask], tuple(classes))


def deposited(
    bench: Bench,
    start: Network,
    sets: Sequence[DepositSet],
    config: DepositConfig,
    *,
    absent: Sequence[int] = (),
    on_epoch: OnEpoch | None = None,
) -> Deposited:
    """The deposit of these sets from a network, from the cache if it was made before.

    Args:
        bench: data, cache and device.
        start: T0, or an earlier target.
        sets: as `deposit` takes them.
        config: the same.
        absent: the same: classes that earlier deposits took out.
        on_epoch: called at each epoch's end, for which the deposit is always made anew.
    """
    place = _place(bench, start, sets, config, absent)
    kept = None if on_epoch else bench.cache.find_tensors(place)
    if kept is not None:
        return _unpacked(bench, *kept, fresh=False)
    result, took = _made(bench, start, sets, config, absent, on_epoch)
    record = {"deposited": [_described(bench, one) for one in sets], **took, **bench.where}
    nets, tensors = _packed(result)
    content = bench.cache.keep(place, {**record, "nets": nets}, tensors)
    return _unpacked(bench, content, tensors, fresh=True)


class _Meter:
    """Counts epochs while a deposit is made, and the time that its spectator takes."""

    def __init__(self, tell: Callable[[Progress], None], on_epoch: OnEpoch | None) -> None:
        self.epochs, self.away = 0, 0.0
        self._tell, self._on_epoch = tell, on_epoch

    def step(self, progress: Progress) -> None:
        self.epochs = progress.epochs
        self._tell(progress)

    def epoch(self, epoch: int, result: DepositResult) -> None:
        left = time.perf_counter()
        if self._on_epoch:
            self._on_epoch(epoch, result)
        self.away += time.perf_counter() - left


def _made(
    bench: Bench,
    start: Network,
    sets: Sequence[DepositSet],
    config: DepositConfig,
    absent: Sequence[int],
    on_epoch: OnEpoch | None,
) -> tuple[DepositResult, dict[str, Any]]:
    """The nets, and the samples and seconds that making them took, without those of ``on_epoch``."""
    title = f"deposit {', '.join(_described(bench, one) for one in sets)}"
    meter = _Meter(bench.on_step(title), on_epoch)
    seed_everything(config.seed)
    started = time.perf_counter()
    result = deposit(
        start,
        bench.spec,
        bench.split,
        sets,
        config,
        absent=tuple(absent),
        device=bench.device,
        on_step=meter.step,
        on_epoch=meter.epoch if on_epoch else None,
    )
    seconds = round(time.perf_counter() - started - meter.away, 3)
    images = sum(len(one.images) for one in sets) * meter.epochs
    samples = {"deposit": images, "surrogates": images if asdict(config).get("surrogates") else 0}
    return result, {"samples": samples, "seconds": seconds}


def _place(
    bench: Bench, start: Network, sets: Sequence[DepositSet], config: DepositConfig, absent: Sequence[int]
) -> Place:
    facts = {
        "format": FORMAT,
        "start": digest_net(start),
        "net": bench.order.net,
        "split": bench.split,
        "input": asdict(bench.spec),
        "sets": [{"classes": one.classes, "content": _content(one)} for one in sets],
        "absent": list(absent),
        "config": asdict(config),
    }
    which = "+".join(_described(bench, one) for one in sets)
    return Place("deposits", f"{config.objective}-{which}-seed{config.seed}", facts, digest_code(*CODE))


def _content(one: DepositSet) -> str:
    return hashlib.sha256(one.images.numpy().tobytes() + one.labels.numpy().tobytes()).hexdigest()


def _described(bench: Bench, one: DepositSet) -> str:
    if one.classes is None:
        return f"{len(one.images)} images"
    return ",".join(bench.train.classes[index] for index in one.classes)


def _packed(result: DepositResult) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What tensors do not tell, and the tensors of target and modules under names of their own."""
    tensors = {f"target/{name}": tensor for name, tensor in published_state(result.target).items()}
    for index, module in enumerate(result.modules):
        tensors |= {f"module{index}/{name}": tensor for name, tensor in module.tensors.items()}
    described = [
        {
            "kind": module.filter.kind,
            "classes": list(module.filter.classes),
            "split": module.split,
            "prune_ratio": module.prune_ratio,
        }
        for module in result.modules
    ]
    return {"modules": described, "curves": result.curves}, tensors


def _unpacked(
    bench: Bench, content: Mapping[str, Any], tensors: Mapping[str, Tensor], *, fresh: bool
) -> Deposited:
    nets = content["nets"]
    modules = tuple(
        DepositModule(
            tensors=_under(f"module{index}/", tensors),
            filter=LogitFilter(one["kind"], tuple(one["classes"])),
            split=one["split"],
            prune_ratio=one["prune_ratio"],
        )
        for index, one in enumerate(nets["modules"])
    )
    return Deposited(
        target=load_published(empty(bench), _under("target/", tensors)).frozen(),
        modules=modules,
        curves=nets["curves"],
        work=Work({name: value for name, value in content.items() if name != "nets"}, fresh=fresh),
    )


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
