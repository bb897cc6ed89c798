"""One small image per request: this service's target and recover nets, LitServe and BentoML, in turns."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks.bank import MODEL, Bank
from benchmarks.load import Outcome, load_apart
from benchmarks.load_clients import Order
from benchmarks.rivals import RIVALS, rival
from benchmarks.serving.quiet import family, quiet

CLIENTS = (1, 8, 32, 128)
WARM_UP_SECONDS = 1.5
EXPECTED = {"litserve": '"class":', "bentoml": '"class":'}

Ask = Callable[[int, float], Order]
"""What so many clients ask for so many seconds."""


class Contestant(NamedTuple):
    """What is asked of a system, and its processes, which are stopped while others are measured."""

    ask: Ask
    processes: Callable[[], list[psutil.Process]]


Contestants = Mapping[str, Contestant]


def own_orders(bank: Bank) -> dict[str, Ask]:
    """What is asked of this service, for each net."""

    def order(net: str, clients: int, seconds: float) -> Order:
        return Order(
            f"{bank.url}/predict?model={MODEL}&top_k=1",
            bank.image,
            clients,
            seconds,
            WARM_UP_SECONDS,
            headers=(f"Authorization: Bearer {bank.keys[net]}",),
            expect=f'"net":"{net}"',
        )

    return {f"lirf {net}": partial(order, net) for net in bank.keys}


def own_contestants(bank: Bank) -> dict[str, Contestant]:
    """This service, once for each net."""
    return {name: Contestant(ask, partial(family, bank.pid)) for name, ask in own_orders(bank).items()}


@contextmanager
def rival_contestants(model: Path, image: bytes) -> Iterator[Contestants]:
    """Each rival, which is started and runs until the end of the block.

    Args:
        model: a file of `write_model`.
        image: the PNG that is sent.
    """

    def order(name: str, url: str, clients: int, seconds: float) -> Order:
        return Order(url, image, clients, seconds, WARM_UP_SECONDS, expect=EXPECTED[name])

    with ExitStack() as running:
        started = {name: running.enter_context(rival(name, model)) for name in RIVALS}
        yield {
            name: Contestant(partial(order, name, one.url), one.processes) for name, one in started.items()
        }


def compare(
    own: Contestants,
    others: Callable[[], AbstractContextManager[Contestants]],
    image: Path,
    seconds: float,
    repeats: int,
) -> list[dict[str, Any]]:
    """Rows of every system and number of clients; each figure is the median of its repeats.

    Systems take turns, in which all others stand still.

    Rivals are started anew for each repeat: BentoML's dispatcher keeps what it has learned of 128 clients, and would
    answer a single one twelve times a second.
    """
    found: dict[tuple[str, int], list[Outcome]] = {}
    for _ in range(repeats):
        with others() as started:
            all_systems = dict(own) | dict(started)
            processes = {system: set(one.processes()) for system, one in all_systems.items()}
            for clients in CLIENTS:
                for system, contestant in all_systems.items():
                    with quiet(set().union(*processes.values()) - processes[system]):
                        outcome = load_apart(contestant.ask(clients, seconds), image)
                    found.setdefault((system, clients), []).append(outcome)
                    print(f"{system:13} {clients:4} clients {outcome.rps:8.1f} per second", flush=True)
    return [_row(system, clients, outcomes) for (system, clients), outcomes in found.items()]


def ratios(rows: Sequence[Mapping[str, Any]], own: str = "lirf target") -> list[dict[str, Any]]:
    """Per number of clients, this service's throughput over the better rival's, and the p99 of both."""
    found = []
    for clients in CLIENTS:
        here = next(row for row in rows if (row["system"], row["clients"]) == (own, clients))
        others = [row for row in rows if row["clients"] == clients and row["system"] in EXPECTED]
        best = max(others, key=lambda row: float(row["rps"]))
        found.append(
            {
                "clients": clients,
                "rps": round(here["rps"] / best["rps"], 2),
                "better_rival": best["system"],
                "p99_ms": here["p99_ms"],
                "lowest_rival_p99_ms": min(row["p99_ms"] for row in others),
            }
        )
    return found


def _row(system: str, clients: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "system": system,
        "clients": clients,
        "rps": statistics.median(one.rps for one in outcomes),
        "p50_ms": statistics.median(one.p50_ms for one in outcomes),
        "p99_ms": statistics.median(one.p99_ms for one in outcomes),
        "errors": sum(one.errors for one in outcomes),
        "repeats": [one.rps for one in outcomes],
    }
