"""What is deposited from what: random weights and images, or a published network and real ones."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from app.inference.compute import Compute
from app.lirf.deposit_set import DepositSet
from app.lirf.errors import InvalidInputError
from app.lirf.networks import InputSpec, Network, create, default_split
from app.lirf.train import seed_everything
from experiments.reproduce.bench import Order, open_bench
from experiments.reproduce.cache import Cache
from experiments.reproduce.deposits import class_set
from experiments.reproduce.originals import original as original_of

ARCHITECTURE = "resnet20"
SPEC = InputSpec(3, 32, 32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
IMAGES = 10_000
"""Two of CIFAR-10's classes."""


@dataclass(frozen=True)
class Subject:
    """T0, how it is divided, and D_r.

    Attributes:
        original: T0.
        spec: what it reads.
        split: n.
        deposit_set: whole classes.
        data: for readers, where both come from.
    """

    original: Network
    spec: InputSpec
    split: int
    deposit_set: DepositSet
    data: str


def random_subject(seed: int, images: int = IMAGES) -> Subject:
    """Speed does not depend on what images show, nor on what a network knows."""
    labels = torch.arange(images) % 2
    return Subject(
        original(seed),
        SPEC,
        default_split(ARCHITECTURE),
        DepositSet(random_images(images, seed), labels, (0, 1)),
        "random weights and images",
    )


def real_subject(data: str, weights: Path, names: Sequence[str]) -> Subject:
    """The training images of these classes and a checkpoint of ResNet-20.

    Raises:
        InvalidInputError: data, weights or classes that cannot be used.
    """
    bench = open_bench(Order(data, ARCHITECTURE, weights, device="cpu"), Cache(Path("var/reproduce")))
    classes = class_indices(bench.train.classes, names)
    shown = f"{weights.name}, {', '.join(names)} of {bench.data_name}"
    return Subject(original_of(bench), bench.spec, bench.split, class_set(bench, classes), shown)


def class_indices(known: Sequence[str], names: Sequence[str]) -> tuple[int, ...]:
    """Indices of the named classes, ascending.

    Raises:
        InvalidInputError: a name that the data lacks or that is given twice, or no class left to preserve.
    """
    for name in names:
        if name not in known or names.count(name) > 1:
            problem = "is given twice." if name in known else "is no class of the data."
            raise InvalidInputError("classes", f"{name!r} {problem}", f"Choose among {', '.join(known)}.")
    if not 0 < len(names) < len(known):
        raise InvalidInputError(
            "classes", f"{len(names)} of {len(known)} are named.", "Name at least one and leave at least one."
        )
    return tuple(sorted(known.index(name) for name in names))


def settle_threads(spec: InputSpec) -> int:
    """Let torch use all cores, or as many as OMP_NUM_THREADS says; the number."""
    threads = torch.get_num_threads() if os.environ.get("OMP_NUM_THREADS") else 0
    Compute("cpu", threads).settle(spec)
    return torch.get_num_threads()


def original(seed: int) -> Network:
    """A network whose running statistics fit its random weights, so that its logits are of common size."""
    seed_everything(seed)
    net = create(ARCHITECTURE, 10, SPEC.channels)
    with torch.no_grad():
        net.train()(SPEC.normalise(random_images(256, seed)))
    return net.frozen()


def random_images(count: int, seed: int) -> torch.Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, *SPEC.shape), generator=chance, dtype=torch.uint8)
