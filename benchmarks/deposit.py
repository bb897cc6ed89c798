"""Deposits timed beside plain loops of the same objectives, in one interleaved run: ResNet-20, 32×32 images.

Random weights and images unless --data and --weights name real ones: speed does not depend on what they show.
`make bench-deposit` runs this.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from app.lirf.errors import InvalidInputError
from benchmarks.contestants import PAIRS, contestants
from benchmarks.measure import taking_turns
from benchmarks.pace import ratios, row, steps_per_second, whole_deposit
from benchmarks.retraining_block import block_of
from benchmarks.subject import ARCHITECTURE, Subject, random_subject, real_subject, settle_threads
from experiments.record import circumstances, write_record

WHOLE = "lirf+"
NOTES = (
    "All loops take the same images, batch size, pruning, optimiser step and schedule of their objective. Steps per "
    "second leave out each first step and what precedes it. seconds_per_epoch is worked out from the median. "
    "Ratios are of medians, above 1 where the first is faster; rounds_per_epoch has the ratio in each round."
)


def main(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments)
    taken = circumstances()
    try:
        subject = _subject(options)
    except InvalidInputError as error:
        raise SystemExit(str(error)) from error
    threads = settle_threads(subject.spec)
    loops = contestants(options.seed)
    images = len(subject.deposit_set.images)
    rates = taking_turns(
        {name: partial(steps_per_second, loop, subject, options.seconds) for name, loop in loops.items()},
        options.repeats,
    )
    rows = [row(name, loop, images, rates[name]) for name, loop in loops.items()]
    further: dict[str, Any] = {
        "setting": {
            "architecture": ARCHITECTURE,
            "image": "x".join(map(str, subject.spec.shape[1:])),
            "deposit_images": images,
            "data": subject.data,
            "threads": threads,
            "seconds_per_repeat": options.seconds,
        },
        "ratios": ratios(PAIRS, loops, rates),
    }
    _show(rows, further["ratios"])
    if options.steps_only:
        further["whole_deposit"] = {"measured": False, "command": "make bench-deposit"}
    else:
        further["whole_deposit"] = {"measured": True, **whole_deposit(loops[WHOLE], subject)}
        print(f"a whole deposit with {WHOLE}: {further['whole_deposit']['seconds']:.0f} s")
    further["retraining"] = block_of(options.retraining)
    command = command_of(options)
    write_record(
        options.json, taken, seed=options.seed, command=command, notes=NOTES, rows=rows, further=further
    )


def command_of(options: argparse.Namespace) -> str:
    """The command without folders of this machine."""
    given = f"--seconds {options.seconds} --repeats {options.repeats} --seed {options.seed}"
    if options.data:
        given += (
            f" --data {Path(options.data).name} --weights {options.weights.name} --classes {options.classes}"
        )
    return f"python -m benchmarks.deposit {given}{' --steps-only' if options.steps_only else ''}"


def _subject(options: argparse.Namespace) -> Subject:
    if options.data:
        return real_subject(options.data, options.weights, options.classes.split(","))
    return random_subject(options.seed)


def _show(rows: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    for one in rows:
        rate = one["steps_per_second"]["median"]
        speed = f"{rate:6.2f} steps/s, {one['samples_per_second']:7.1f} samples/s"
        print(f"{one['loop']:13} {speed}, {one['seconds_per_epoch']:6.1f} s per epoch")
    for one in found:
        times = f"{one['per_epoch']:.2f}× per epoch, {one['per_sample']:.2f}× per sample"
        print(f"{one['loop']} against {one['against']}: {times}")


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", help="a folder with train.parquet and test.parquet, or cifar10:FOLDER")
    parser.add_argument("--weights", type=Path, help="a checkpoint of ResNet-20 for this data")
    parser.add_argument("--classes", default="airplane,automobile", help="what is deposited of the data")
    parser.add_argument("--steps-only", action="store_true", help="leave out the whole deposit, minutes long")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/deposit.json"))
    parser.add_argument("--retraining", type=Path, default=Path("benchmarks/results/retraining.json"))
    options = parser.parse_args(arguments)
    if (options.data is None) != (options.weights is None):
        parser.error("--data and --weights belong together")
    return options


if __name__ == "__main__":
    main()
