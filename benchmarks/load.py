"""A load generator: some clients, each on a connection of its own, ask again as soon as they are answered.

It is the same for every service that is measured, runs in a process of its own and spends little: requests are bytes
made once, and of an answer only its status, its length and whether it holds the expected bytes are looked at. With
uvloop installed it spends less; it does without.

    python -m benchmarks.load --url http://127.0.0.1:8000/predict --body image.png --expect '"class":3'
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from benchmarks.load_clients import Clients, Order

START_AND_END_SECONDS = 60.0
"""What a process may take beside warming up and measuring."""


@dataclass(frozen=True)
class Outcome:
    """What clients met while they were measured.

    Attributes:
        rps: right answers per second.
        p50_ms: of the time from sending a request to its right answer, the median.
        p99_ms: the same for the slowest of a hundred.
        answers: right answers.
        errors: all else: other states than 200, wrong answers, broken connections.
        faults: the errors by kind.
    """

    rps: float
    p50_ms: float
    p99_ms: float
    answers: int
    errors: int
    faults: dict[str, int]


def load(order: Order) -> Outcome:
    """Drive a service from this process."""
    clients = Clients(order)
    clients.run()
    times = sorted(clients.seconds)
    return Outcome(
        rps=round(len(times) / order.seconds, 1),
        p50_ms=_quantile(times, 0.5),
        p99_ms=_quantile(times, 0.99),
        answers=len(times),
        errors=clients.faults.total(),
        faults=dict(clients.faults),
    )


def load_apart(order: Order, body: Path, python: str = sys.executable) -> Outcome:
    """Drive a service from a process of its own, so that only the machine is shared with whoever calls.

    Args:
        order: what to ask; its body stands in ``body`` too.
        body: a file, since arguments of a process hold no binary data.
        python: of any environment, as nothing but the standard library is needed.
    """
    command = [python, "-m", "benchmarks.load", "--url", order.url, "--body", str(body)]
    command += ["--clients", str(order.clients), "--seconds", str(order.seconds)]
    command += ["--warm-up", str(order.warm_up), "--content-type", order.content_type]
    command += ["--expect", order.expect] if order.expect else []
    command += [f"--header={header}" for header in order.headers]
    done = subprocess.run(
        command,
        cwd=Path(__file__).resolve().parent.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=order.seconds + order.warm_up + START_AND_END_SECONDS,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return Outcome(**{field.name: found[field.name] for field in fields(Outcome)})


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    order = Order(
        url=options.url,
        body=options.body.read_bytes(),
        clients=options.clients,
        seconds=options.seconds,
        warm_up=options.warm_up,
        content_type=options.content_type,
        headers=tuple(options.header),
        expect=options.expect,
    )
    print(json.dumps(asdict(load(order))))


def _quantile(ascending: Sequence[float], share: float) -> float:
    """In milliseconds, of the sample itself; 0 if nothing was answered."""
    if not ascending:
        return 0.0
    return round(ascending[min(int(share * len(ascending)), len(ascending) - 1)] * 1000, 2)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", required=True, help="http://HOST:PORT/PATH?QUERY")
    parser.add_argument("--body", type=Path, required=True, help="a file, sent with every request")
    parser.add_argument("--content-type", default="image/png")
    parser.add_argument("--header", action="append", default=[], help='"Name: value"; may be repeated')
    parser.add_argument("--expect", default="", help="what the body of every right answer contains")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0, help="that are measured")
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds before, which do not count")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
