"""How many samples training from scratch takes to reach the Pre of a deposit's target net.

    python -m benchmarks.retraining --data FOLDER --weights CHECKPOINT

ResNet-20 is trained on the preserved classes for each budget of epochs in turn, always from the first weights
through a whole one-cycle schedule, until one reaches the deposit's Pre on the test set. Every budget is kept in the
cache of `lirf reproduce`, so an interrupted run goes on with the budget that it was at, and a network that
`lirf reproduce main-table1 --independent --train-epochs N` has trained is found again.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.lirf.config import DepositConfig
from app.lirf.errors import InvalidInputError
from benchmarks.ladder import Rung, climb, rung_of
from benchmarks.retraining_block import NAME, put_into
from benchmarks.subject import ARCHITECTURE, class_indices
from benchmarks.wanted import Wanted, from_cache, from_figure, from_record
from experiments.record import write_record
from experiments.reproduce.bench import Bench, Order, open_bench
from experiments.reproduce.cache import Cache

INTERRUPTED = 130
OBJECTIVE = "lirf+"
BUDGETS = "10,15,20,25,30"
EVERY = 50
NOTES = (
    "samples = epochs × images of the budget that reached the deposit's Pre; trainings with smaller budgets are not "
    "counted. The deposit's samples count its surrogates. A sample passes through one network in training and "
    "through T0, T and T_r in a deposit, forwards and mostly backwards."
)


def block(rungs: Sequence[Rung], wanted: Wanted) -> dict[str, Any]:
    """The comparison; where no budget reached the Pre, ``ratio_at_least`` is what the largest one shows."""
    last = rungs[-1]
    reached = last.pre >= wanted.pre
    times = round(last.samples / wanted.samples, 2)
    return {
        "measured": True,
        "reached": reached,
        "budgets": [asdict(rung) for rung in rungs],
        "deposit_pre": round(wanted.pre, 4),
        "deposit_source": wanted.source,
        "pre": last.pre,
        "samples": last.samples,
        "deposit_samples": wanted.samples,
        **({"ratio": times} if reached else {"ratio_at_least": times}),
    }


def measure(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    """The block, from the options."""
    classes = class_indices(bench.train.classes, options.classes.split(","))
    config = DepositConfig.of(options.objective, seed=options.seed)
    wanted = _wanted(bench, classes, config, options)
    print(f"to reach: Pre {wanted.pre:.2f} ({wanted.source}), {wanted.samples:,} samples", flush=True)

    def rung(epochs: int) -> Rung:
        found = rung_of(bench, classes, options.seed, epochs)
        print(f"{epochs} epochs, {found.samples:,} samples: Pre {found.pre:.2f}", flush=True)
        return found

    rungs = climb(_budgets(options.budgets), rung, wanted.pre)
    return {
        **block(rungs, wanted),
        "objective": config.objective,
        "architecture": bench.order.net,
        "data": bench.data_name,
        "classes": [bench.train.classes[index] for index in classes],
        "seed": options.seed,
        "commit": bench.taken.commit,
        "hardware": bench.taken.hardware,
        "command": command_of(options, bench.data_name),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    try:
        order = Order(options.data, ARCHITECTURE, options.weights, device=options.device)
        bench = open_bench(order, Cache(options.cache, options.any_code), _watch)
        found = measure(bench, options)
    except InvalidInputError as error:
        raise SystemExit(str(error)) from error
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on with the budget that it was at.")
        raise SystemExit(INTERRUPTED) from None
    write_record(
        options.json,
        bench.taken,
        seed=options.seed,
        command=found["command"],
        notes=NOTES,
        rows=found["budgets"],
        further={NAME: found},
    )
    print(f"written: {options.json}")
    if put_into(options.deposit, found):
        print(f"written into: {options.deposit}")


def command_of(options: argparse.Namespace, data_name: str) -> str:
    """The command without folders of this machine, and without defaults."""
    parts = ["python -m benchmarks.retraining --data", data_name]
    parts += [f"--weights {options.weights.name}"] if options.weights else []
    parts += [f"--record {options.record.name}"] if options.record else []
    parts += [f"--pre {options.pre}"] if options.pre is not None else []
    parts += [f"--objective {options.objective}"] if options.objective != OBJECTIVE else []
    parts += [f"--classes {options.classes} --seed {options.seed} --budgets {options.budgets}"]
    return " ".join(parts)


def _wanted(
    bench: Bench, classes: tuple[int, ...], config: DepositConfig, options: argparse.Namespace
) -> Wanted:
    if options.record:
        return from_record(bench, options.record, classes, config)
    if options.pre is not None:
        return from_figure(bench, options.pre, classes, config)
    return from_cache(bench, classes, config)


def _budgets(text: str) -> list[int]:
    try:
        budgets = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise InvalidInputError(
            "budgets", f"{text!r} is no list of numbers.", f"Give e.g. {BUDGETS}."
        ) from error
    if min(budgets) < 1:
        raise InvalidInputError("budgets", f"{min(budgets)} is too few.", "Give whole numbers from 1.")
    return budgets


def _watch(what: str, done: int, total: int) -> None:
    if done % EVERY == 0 or done == total:
        print(
            f"\r{what}: {done:,} of {total:,}", end="\n" if done == total else "", file=sys.stderr, flush=True
        )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--data", required=True, help="a folder with train.parquet and test.parquet, or cifar10:FOLDER"
    )
    parser.add_argument("--weights", type=Path, help="T0 of the deposit, a checkpoint; trained if left out")
    told = parser.add_mutually_exclusive_group()
    told.add_argument("--pre", type=float, help="the deposit's Pre in percent; else it is measured")
    told.add_argument(
        "--record", type=Path, help="read the Pre and the samples in a file of `lirf reproduce`"
    )
    parser.add_argument("--objective", default=OBJECTIVE, choices=("lirf", "lirf+"), help="of the deposit")
    parser.add_argument("--classes", default="airplane,automobile", help="what the deposit takes out")
    parser.add_argument("--budgets", default=BUDGETS, help="epochs, tried from the smallest on")
    parser.add_argument("--seed", type=int, default=0, help="of the deposit and of the trainings")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--cache", type=Path, default=Path("var/reproduce"))
    parser.add_argument("--any-code", action="store_true", help="reuse what earlier code computed")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/retraining.json"))
    parser.add_argument(
        "--deposit",
        type=Path,
        default=Path("benchmarks/results/deposit.json"),
        help="also put the block here",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
