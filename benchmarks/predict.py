"""Predictions per second: over HTTP with one and eight clients, and of the bare engine, which is the limit.

ResNet-20 on 32×32 images, one PNG per request, connections kept open; the load generator shares the machine with the
service. Weights and images are random: speed does not depend on what they show. `make bench` runs this.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import torch

from app.inference.compute import available_cores
from app.inference.engine import Engine, ServedNet
from app.inference.nets import ReadyNet
from app.lirf.config import DepositConfig
from app.lirf.deposit import DepositSet, deposit
from app.lirf.networks import Network, default_split
from app.lirf.recover import RecoverNet
from benchmarks.bank import MODEL, Bank, describe, open_bank
from benchmarks.measure import summary, taking_turns
from benchmarks.subject import ARCHITECTURE, SPEC, original
from experiments.record import circumstances, write_record

CLIENTS = (1, 8)
ENGINE_BATCHES = (1, 64)
ENGINE_SECONDS = 1.5
NOTES = (
    "Random weights and images. http: one PNG per request from threads of one process on the service's own cores; "
    "latencies are of the last repeat. engine: forward passes in this process without HTTP, decoding or database."
)


def over_http(bank: Bank, net: str, clients: int, seconds: float, latencies: list[float]) -> float:
    """Predictions per second that ``clients`` get who each ask again as soon as they are answered."""
    latencies.clear()
    end = time.perf_counter() + seconds
    failures: list[BaseException] = []

    def client() -> None:
        try:
            _ask_until(end, bank, net, latencies)
        except BaseException as error:  # noqa: BLE001  a thread's error must reach the caller
            failures.append(error)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return len(latencies) / (time.perf_counter() - started)


def in_engine(engine: Engine, net: ReadyNet, images: torch.Tensor) -> float:
    """Images per second that the engine answers in batches of ``len(images)``."""
    served = ServedNet(net)
    engine.answer(served, images)
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < ENGINE_SECONDS:
        engine.answer(served, images)
        count += len(images)
    return count / (time.perf_counter() - started)


def main() -> None:
    options = _options()
    taken = circumstances()
    net = original(options.seed)
    latencies: dict[tuple[str, int], list[float]] = {}
    with open_bank(net, SPEC, options.seed) as bank:
        print(f"answered by: {describe(bank)}")
        contestants: dict[tuple[str, int], Callable[[], float]] = {}
        for name in bank.keys:
            for clients in CLIENTS:
                taken_by = latencies[name, clients] = []
                contestants[name, clients] = partial(
                    over_http, bank, name, clients, options.seconds, taken_by
                )
        http = taking_turns(contestants, options.repeats)
    bare = taking_turns(_engine_contestants(net, options.seed), options.repeats)
    rows: list[dict[str, Any]] = [
        {"through": "http", "net": name, "clients": clients, "predictions_per_second": summary(values)}
        | _percentiles(latencies[name, clients])
        for (name, clients), values in http.items()
    ]
    rows += [
        {"through": "engine", "net": name, "batch": batch, "predictions_per_second": summary(values)}
        for (name, batch), values in bare.items()
    ]
    for row in rows:
        how = f"{row['clients']} clients" if "clients" in row else f"batch {row['batch']}"
        rate = row["predictions_per_second"]["median"]
        print(f"{row['through']:6} {row['net']:7} {how:9} {rate:8.1f} per second")
    given = f"--seconds {options.seconds} --repeats {options.repeats} --seed {options.seed}"
    command = f"python -m benchmarks.predict {given}"
    write_record(options.json, taken, seed=options.seed, command=command, notes=NOTES, rows=rows)


def _engine_contestants(net: Network, seed: int) -> dict[tuple[str, int], Callable[[], float]]:
    chance = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (max(ENGINE_BATCHES), *SPEC.shape), generator=chance, dtype=torch.uint8)
    sets = [DepositSet(images, torch.arange(len(images)) % 2, (0, 1))]
    once = DepositConfig.lirf_plus(epochs=1, min_steps=1, seed=seed)
    result = deposit(net, SPEC, default_split(ARCHITECTURE), sets, once)
    engine = Engine(threads=available_cores())
    nets = {
        "target": engine.prepare(RecoverNet(result.target), SPEC),
        "recover": engine.prepare(RecoverNet(result.target, result.modules), SPEC),
    }
    return {
        (name, batch): partial(in_engine, engine, nets[name], images[:batch])
        for name in nets
        for batch in ENGINE_BATCHES
    }


def _ask_until(end: float, bank: Bank, net: str, latencies: list[float]) -> None:
    headers = {"Authorization": f"Bearer {bank.keys[net]}", "Content-Type": "image/png"}
    with httpx.Client(base_url=bank.url, headers=headers, timeout=60.0) as client:
        while (asked := time.perf_counter()) < end:
            answer = client.post("/predict", params={"model": MODEL, "top_k": 1}, content=bank.image)
            if answer.raise_for_status().json()["net"] != net:
                raise ValueError(f"another net than {net} answered: {answer.text}")
            latencies.append(time.perf_counter() - asked)


def _percentiles(latencies: list[float]) -> dict[str, Any]:
    cuts = statistics.quantiles(latencies, n=100) if len(latencies) > 1 else latencies * 99
    return {f"p{rank}_ms": round(cuts[rank - 1] * 1000, 1) for rank in (50, 95, 99)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement over HTTP")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/predict.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
