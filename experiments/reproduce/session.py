"""From the options of `lirf reproduce` to files and an exit code that means it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.markup import escape

from app.cli.console import console
from app.lirf.errors import InvalidInputError
from experiments.reproduce import studies
from experiments.reproduce.bench import Bench, Order, open_bench
from experiments.reproduce.cache import Cache
from experiments.reproduce.originals import original_digest
from experiments.reproduce.output import write
from experiments.reproduce.picture import require_matplotlib
from experiments.reproduce.progress import bars
from experiments.reproduce.run import Choice, Outcome, found, run, waiting
from experiments.reproduce.scale import FULL, Scale
from experiments.reproduce.study import METHODS, Cell, Scope, Study

INTERRUPTED = 130
SHOWN = 3


@dataclass(frozen=True)
class Wish:
    """The options as they were given; `command.reproduce` says what each means."""

    study: str
    data: str
    net: str = "resnet20"
    weights: Path | None = None
    train_epochs: int | None = None
    methods: tuple[str, ...] = ()
    seeds: str = "0,1,2"
    scale: str = FULL
    cells: str | None = None
    independent: bool = False
    any_code: bool = False
    device: str = "auto"
    results: Path = Path("experiments/results")
    cache: Path = Path("var/reproduce")


def reproduce_study(wish: Wish, *, only_list: bool) -> None:
    """Compute what is missing and write the study's files; exit with 1 if a cell failed, 130 after Ctrl-C.

    Raises:
        InvalidInputError: on an option, the data or the weights.
    """
    study = studies.load(wish.study)
    seeds, choice = _seeds(wish.seeds), Choice(_methods(wish.methods), wish.cells)
    order = Order(wish.data, wish.net, wish.weights, wish.train_epochs, Scale.parse(wish.scale), wish.device)
    if not only_list:
        require_matplotlib()
    with console.status("loading the data"):
        bench = open_bench(order, Cache(wish.cache, wish.any_code))
    scope = Scope(
        seeds, bench.train.classes, bench.train_config, order.scale.changes, independent=wish.independent
    )
    cells = study.cells(scope)
    _require_match(cells, wish.cells)
    if only_list:
        _show(bench, study, cells, choice)
        return
    with bars(study.name, len(waiting(bench, study, cells, choice)), console) as shown:
        outcome = run(bench.watched(shown.step), study, cells, choice, shown.told)
    if all(row.get("not_run") for row in outcome.rows):
        console.print("No cell is done, so no file is written.")
    else:
        for path in write(bench, study, outcome.rows, command_of(wish, bench.data_name), wish.results):
            console.print(f"written: {escape(str(path))}")
    typer.echo(study.table(study, outcome.rows))
    _end(outcome)


def command_of(wish: Wish, data_name: str) -> str:
    """The command without what does not matter elsewhere: folders of this machine, and defaults."""
    plain = Wish(wish.study, wish.data)
    parts = ["lirf reproduce", wish.study, "--data", data_name]
    if wish.weights is not None:
        parts += ["--weights", wish.weights.name]
    for name in ("net", "train_epochs", "seeds", "scale", "cells"):
        value = getattr(wish, name)
        if value != getattr(plain, name):
            parts += [f"--{name.replace('_', '-')}", f"'{value}'" if name == "cells" else str(value)]
    parts += [part for method in wish.methods for part in ("--method", method)]
    parts += [f"--{name.replace('_', '-')}" for name in ("independent", "any_code") if getattr(wish, name)]
    return " ".join(parts)


def _show(bench: Bench, study: Study, cells: Sequence[Cell], choice: Choice) -> None:
    t0 = original_digest(bench)
    done = 0
    for cell in cells:
        row = found(bench, study, cell, t0)
        done += row is not None
        state = f"done, commit {row['commit'][:10]}" if row else choice.refusal(cell) or "to do"
        typer.echo(f"{cell.key}\t{state}")
    typer.echo(f"{done} of {len(cells)} cells are done.")


def _end(outcome: Outcome) -> None:
    for key, problem in outcome.failures.items():
        console.print(f"[red]{escape(key)} failed:[/red] {escape(problem)}")
    if outcome.interrupted:
        console.print("Interrupted; the same command goes on where it stopped.")
        raise typer.Exit(INTERRUPTED)
    if outcome.failures:
        raise typer.Exit(1)


def _seeds(text: str) -> tuple[int, ...]:
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise InvalidInputError("seeds", f"{text!r} is no list of numbers.", "Give e.g. 0,1,2.") from error
    if len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise InvalidInputError("seeds", f"{text!r} repeats a seed or has one below 0.", "Give e.g. 0,1,2.")
    return seeds


def _methods(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in METHODS:
            raise InvalidInputError(
                "method", f"There is no method {name!r}.", f"Choose among {', '.join(METHODS)}."
            )
    return tuple(dict.fromkeys(names)) or METHODS


def _require_match(cells: Sequence[Cell], pattern: str | None) -> None:
    if pattern is not None and not any(Choice(METHODS, pattern).matches(cell) for cell in cells):
        examples = ", ".join(cell.key for cell in cells[:SHOWN])
        raise InvalidInputError(
            "cells", f"No cell matches {pattern!r}.", f"Keys look like {examples}; --list shows all."
        )
