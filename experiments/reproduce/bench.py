"""What every cell of a run is measured with: data, architecture, cache, and where it runs."""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from app.cli.demo.preset import Preset, preset_for
from app.inference.compute import Compute, choose_compute
from app.lirf.config import Progress, TrainConfig
from app.lirf.data.dataset import ImageDataset
from app.lirf.data.source import TORCHVISION, open_source
from app.lirf.errors import InvalidInputError
from app.lirf.networks import InputSpec, create, default_split
from experiments.record import Circumstances, circumstances
from experiments.reproduce.cache import Cache
from experiments.reproduce.identity import FORMAT, digest_images, remember_code
from experiments.reproduce.scale import Scale, share_of

Watch = Callable[[str, int, int], None]
"""Told of every step: what is done, how many steps are, how many there will be."""


def silent(what: str, done: int, total: int) -> None:
    """Watch nothing."""


@dataclass(frozen=True)
class Order:
    """What every cell has in common, as the command line gives it.

    Attributes:
        data: as `open_source` takes it.
        net: an architecture.
        weights: a published checkpoint as T0; without one T0 is trained.
        train_epochs: of networks trained here; those of the preset if None.
        scale: how much of the data and the epochs.
        device: auto, cpu, cuda or any torch device.
    """

    data: str = "digits"
    net: str = "resnet20"
    weights: Path | None = None
    train_epochs: int | None = None
    scale: Scale = field(default_factory=Scale)
    device: str = "auto"


@dataclass(frozen=True)
class Bench:
    """An order with its data loaded.

    Attributes:
        order: what was asked for.
        train: training images, as many as the scale says.
        test: the whole mixed test set, labelled like ``train``.
        spec: what the networks read.
        split: n, the block at which they are divided.
        train_config: how networks are trained on this data.
        device: by torch's name.
        cache: what was computed before.
        taken: commit, hardware and versions of this run.
        watch: told of every step.
    """

    order: Order
    train: ImageDataset
    test: ImageDataset
    spec: InputSpec
    split: int
    train_config: TrainConfig
    device: str
    cache: Cache
    taken: Circumstances
    watch: Watch = silent

    def watched(self, watch: Watch) -> "Bench":
        return replace(self, watch=watch)

    @property
    def data_name(self) -> str:
        """The data set's name for readers: no folder of this machine."""
        name, colon, _ = self.order.data.partition(":")
        return name if colon and name in TORCHVISION else Path(self.order.data).name

    @cached_property
    def train_digest(self) -> str:
        return digest_images(self.train)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What decides the figures of every cell, but for T0."""
        return {
            "format": FORMAT,
            "train": self.train_digest,
            "test": digest_images(self.test),
            "net": self.order.net,
            "split": self.split,
            "input": asdict(self.spec),
            "scale": self.order.scale.text,
        }

    @property
    def where(self) -> dict[str, Any]:
        """Where something was just measured."""
        return {
            "device": self.device,
            "threads": torch.get_num_threads(),
            "commit": self.taken.commit,
            "hardware": self.taken.hardware,
            "versions": self.taken.versions,
        }

    def on_step(self, what: str) -> Callable[[Progress], None]:
        """A callback for `train` and `deposit` that tells the watch."""
        return lambda progress: self.watch(what, progress.step, progress.steps)


def open_bench(order: Order, cache: Cache, watch: Watch = silent) -> Bench:
    """Load the data and decide what the order leaves open.

    Raises:
        InvalidInputError: on data, architecture, epochs or device that cannot be used.
    """
    remember_code()
    device = _device(order.device)
    if Path(order.data).is_file():
        raise InvalidInputError(
            "data",
            f"{Path(order.data).name} is one file, which has no test images of its own.",
            "Give a folder with train.parquet and test.parquet, or with train/ and test/.",
        )
    whole = open_source(order.data, "train")
    test = open_source(order.data, "test").relabel(whole.classes)
    preset = preset_for(order.data, whole.shape, order.net)
    values = preset.input
    spec = InputSpec(
        values["channels"], values["height"], values["width"], tuple(values["mean"]), tuple(values["std"])
    )
    spec.require(whole.images, "data")
    create(order.net, len(whole.classes), spec.channels)
    threads = torch.get_num_threads() if os.environ.get("OMP_NUM_THREADS") else 0
    Compute(device, threads).settle(spec)
    return Bench(
        order=order,
        train=share_of(whole, order.scale.train),
        test=test,
        spec=spec,
        split=default_split(order.net),
        train_config=_train_config(preset, order.train_epochs),
        device=device,
        cache=cache,
        taken=circumstances(),
        watch=watch,
    )


def _train_config(preset: Preset, epochs: int | None) -> TrainConfig:
    given: Mapping[str, Any] = {} if epochs is None else {"epochs": epochs}
    return TrainConfig(**{**preset.train, **given})


def _device(name: str) -> str:
    chosen = choose_compute(name, 0).device
    try:
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise InvalidInputError(
            "device", f"{name!r} cannot be used here.", "Choose auto, cpu, or a device that torch sees."
        ) from error
    return chosen
