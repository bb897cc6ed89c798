"""The engine without a service: beside eager PyTorch, and what each withdrawn deposit costs.

It runs in a process of its own, whose OpenMP threads are as PyTorch's users have them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from app.inference.compute import available_cores
from app.inference.engine import Engine, ServedNet
from app.inference.nets import Probabilities
from app.lirf.data.images import Pixels
from app.lirf.filters import LogitFilter
from app.lirf.module import DepositModule
from app.lirf.networks import Network, default_split, published_state
from app.lirf.pruning import prune
from app.lirf.recover import RecoverNet
from app.lirf.rows import take_rows, without_rows
from benchmarks.impatience import IMPATIENT
from benchmarks.measure import rate, summary, taking_turns
from benchmarks.serving.lanes import on_all_lanes
from benchmarks.subject import ARCHITECTURE, SPEC, original, random_images

BATCHES = (1, 8, 64)
MOST_DEPOSITS = 8
PRUNE_RATIO = 0.5


def in_a_process_of_its_own(seed: int, seconds: float, repeats: int) -> dict[str, Any]:
    """`against_eager` and `by_deposits`, as ``engine`` and ``recover``."""
    command = [sys.executable, "-m", "benchmarks.serving.engine"]
    command += ["--seed", str(seed), "--seconds", str(seconds), "--repeats", str(repeats)]
    environment = {**os.environ, **IMPATIENT}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def against_eager(seed: int, seconds: float, repeats: int) -> list[dict[str, Any]]:
    """Images per second of ResNet-20 by batch, and how many times those of eager PyTorch on all cores."""
    engine, plain = Engine(threads=available_cores()), original(seed).eval()
    ready = ServedNet(engine.prepare(RecoverNet(original(seed)), SPEC))
    torch.set_num_threads(available_cores())
    images, by_engine = random_images(max(BATCHES), seed), on_all_lanes(engine, ready)

    @torch.inference_mode()
    def eager(batch: Tensor) -> Tensor:
        answers: Tensor = plain(SPEC.normalise(batch)).softmax(dim=1)
        return answers

    def compiled(batch: Tensor) -> Probabilities:
        return by_engine(batch.numpy())

    rates = _rates({"eager": eager, "engine": compiled}, images, BATCHES, seconds, repeats)
    return [
        {
            "batch": batch,
            "eager": summary(rates["eager", batch]),
            "engine": summary(rates["engine", batch]),
            "times_eager": _median_ratio(rates["engine", batch], rates["eager", batch]),
        }
        for batch in BATCHES
    ]


def by_deposits(seed: int, seconds: float, repeats: int) -> list[dict[str, Any]]:
    """What an image costs with m deposits withdrawn, as a multiple of the target net's cost, by batch."""
    engine = Engine(threads=available_cores())
    torch.set_num_threads(1)
    nets = {m: ServedNet(engine.prepare(recover_net(seed, m), SPEC)) for m in range(MOST_DEPOSITS + 1)}
    images = random_images(max(BATCHES), seed).numpy()
    contestants = {str(m): on_all_lanes(engine, served) for m, served in nets.items()}
    rates = _rates(contestants, images, (1, 64), seconds, repeats)
    return [
        {
            "deposits": m,
            "batch": batch,
            "images_per_second": summary(rates[str(m), batch]),
            "times_target": _median_ratio(rates["0", batch], rates[str(m), batch]),
        }
        for batch in (1, 64)
        for m in nets
    ]


def bare_rate(served: ServedNet, engine: Engine, images: Pixels, seconds: float) -> float:
    """Images per second in a loop."""
    torch.set_num_threads(1)
    return rate(on_all_lanes(engine, served), images, seconds)


def bare_p50_ms(served: ServedNet, engine: Engine, image: Pixels, times: int = 1000) -> float:
    """The median time of one image."""
    torch.set_num_threads(1)
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        engine.answer(served, image)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


def recover_net(seed: int, deposits: int) -> RecoverNet:
    """Of random weights, with one class in each deposit's module; speed does not depend on what they know."""
    net: Network = original(seed).eval()
    split = default_split(ARCHITECTURE)
    branch = published_state(prune(net.part(0, split), PRUNE_RATIO, SPEC.shape))
    chance = torch.Generator().manual_seed(seed)
    modules = []
    for index in range(deposits):
        own = {name: _altered(tensor, chance) for name, tensor in branch.items()}
        rows = take_rows(net, (index,))
        modules.append(DepositModule(own | rows, LogitFilter.of((index,)), split, PRUNE_RATIO))
    return RecoverNet(without_rows(net, range(deposits)), modules, split)


def _altered(tensor: Tensor, chance: torch.Generator) -> Tensor:
    """Equal branches would be computed once."""
    return tensor * (1 + 0.01 * torch.rand(tensor.shape, generator=chance))


def _rates(
    contestants: Mapping[str, Callable[[Any], object]],
    images: Tensor | Pixels,
    batches: tuple[int, ...],
    seconds: float,
    repeats: int,
) -> dict[tuple[str, int], list[float]]:
    return taking_turns(
        {
            (name, batch): partial(rate, run, images[:batch], seconds)
            for batch in batches
            for name, run in contestants.items()
        },
        repeats,
    )


def _median_ratio(above: list[float], below: list[float]) -> float:
    """Of the repeats, each with its neighbour in time."""
    return round(statistics.median(one / other for one, other in zip(above, below, strict=True)), 2)


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    order = (given.seed, given.seconds, given.repeats)
    print(json.dumps({"engine": against_eager(*order), "recover": by_deposits(*order)}))


if __name__ == "__main__":
    _main()
