"""Deposit steps per second: ResNet-20, 32×32 images, both objectives with their default settings.

Weights and images are random: speed does not depend on what they show. `make bench` runs this.
"""

import argparse
import contextlib
import statistics
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from app.inference.compute import Compute
from app.lirf.config import DepositConfig, Objective, Progress
from app.lirf.deposit import DepositSet, deposit
from app.lirf.networks import InputSpec, Network, create, default_split
from app.lirf.train import seed_everything
from benchmarks.measure import summary, taking_turns
from experiments.record import circumstances, write_record

ARCHITECTURE = "resnet20"
SPEC = InputSpec(3, 32, 32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
OBJECTIVES: tuple[Objective, ...] = ("lirf", "lirf+")
EPOCH_IMAGES = 10_000
WARM_UP = 1
LONGEST = 60
"""Steps that no measurement passes."""

NOTES = (
    "Random images of two classes and random weights. Steps per second leave out each first step. "
    f"seconds_per_epoch is extrapolated to {EPOCH_IMAGES} images from the median, not measured."
)


def original(seed: int) -> Network:
    """A network whose running statistics fit its random weights, so that its logits are of common size."""
    seed_everything(seed)
    net = create(ARCHITECTURE, 10, SPEC.channels)
    with torch.no_grad():
        net.train()(SPEC.normalise(_images(256, seed)))
    return net.frozen()


class EnoughError(Exception):
    """The time of a measurement is over; it cancels the deposit."""


def steps_per_second(net: Network, config: DepositConfig, seconds: float) -> float:
    """Time the steps after a warm-up, for as long as told and for two steps at least."""
    images = _images(config.batch_size * LONGEST, config.seed)
    labels = torch.arange(len(images)) % 2
    ticks: list[float] = []

    def tick(_: Progress) -> None:
        ticks.append(time.perf_counter())
        if len(ticks) > WARM_UP + 1 and ticks[-1] - ticks[WARM_UP - 1] > seconds:
            raise EnoughError

    with contextlib.suppress(EnoughError):
        deposit(
            net,
            SPEC,
            default_split(ARCHITECTURE),
            [DepositSet(images, labels, (0, 1))],
            replace(config, epochs=1, min_steps=1),
            on_step=tick,
        )
    return (len(ticks) - WARM_UP) / (ticks[-1] - ticks[WARM_UP - 1])


def main() -> None:
    options = _options()
    taken = circumstances()
    Compute().settle(SPEC)
    net = original(options.seed)
    configs = {name: DepositConfig.of(name, seed=options.seed) for name in OBJECTIVES}
    measured = taking_turns(
        {name: partial(steps_per_second, net, config, options.seconds) for name, config in configs.items()},
        options.repeats,
    )
    rows = []
    for name, values in measured.items():
        batch = configs[name].batch_size
        rate = statistics.median(values)
        extrapolated = -(-EPOCH_IMAGES // batch) / rate
        rows.append(
            {
                "objective": name,
                "architecture": ARCHITECTURE,
                "image": "32x32",
                "batch_size": batch,
                "surrogates": list(configs[name].surrogates),
                "seconds_per_repeat": options.seconds,
                "steps_per_second": summary(values),
                "seconds_per_epoch_extrapolated": round(extrapolated, 1),
            }
        )
        epoch = f"an epoch of {EPOCH_IMAGES:,} would take {extrapolated:.0f} s"
        print(f"{name:6} {rate:6.2f} steps/s of {batch} images; {epoch}")
    write_record(options.json, taken, seed=options.seed, command=_command(options), notes=NOTES, rows=rows)


def _command(options: argparse.Namespace) -> str:
    given = f"--seconds {options.seconds} --repeats {options.repeats} --seed {options.seed}"
    return f"python -m benchmarks.deposit {given}"


def _images(count: int, seed: int) -> torch.Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, *SPEC.shape), generator=chance, dtype=torch.uint8)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/deposit.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
