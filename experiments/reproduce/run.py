"""The cells of a study, one after the other; whatever is finished is kept at once and never computed again."""

import fnmatch
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from app.lirf.errors import InvalidInputError
from experiments.reproduce.bench import Bench
from experiments.reproduce.cache import Place
from experiments.reproduce.identity import digest_code, digest_net
from experiments.reproduce.measures.figures import without_classes
from experiments.reproduce.originals import original, original_digest, original_source
from experiments.reproduce.study import METHODS, Cell, CellFailedError, Row, Study, Work

CODE = ("app.lirf.deposit", "app.lirf.evaluation")
LEFT_OUT_OF_WORK = ("config", "versions", "tensors")
"""Of a training's record in a row; the cache has it whole."""

Told = Callable[[Cell, str], None]
"""Told of every computed cell and what became of it."""


@dataclass(frozen=True)
class Choice:
    """Which cells are computed in this run; those that are done are shown all the same.

    Attributes:
        methods: objectives; cells of other kinds are not left out by it.
        pattern: matched with a cell's key, with * and ?; all cells if None.
    """

    methods: tuple[str, ...] = METHODS
    pattern: str | None = None

    def refusal(self, cell: Cell) -> str | None:
        """Why the cell is not computed; None if it is."""
        if cell.not_run:
            return cell.not_run
        if cell.method in METHODS and cell.method not in self.methods:
            return f"left out by `--method {' '.join(self.methods)}`"
        return None if self.matches(cell) else f"left out by `--cells '{self.pattern}'`"

    def matches(self, cell: Cell) -> bool:
        return self.pattern is None or fnmatch.fnmatchcase(cell.key, self.pattern)


@dataclass(frozen=True)
class Outcome:
    """What a run leads to.

    Attributes:
        rows: one per cell, in the study's order.
        failures: key of a cell -> what it was refused with.
        interrupted: whether the user ended the run.
    """

    rows: list[Row]
    failures: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False


def found(bench: Bench, study: Study, cell: Cell, t0: str | None) -> Row | None:
    """The cell's row if it is done: with this T0, data, configuration and code."""
    return None if t0 is None else bench.cache.find(_place(bench, study, cell, t0))


def waiting(bench: Bench, study: Study, cells: Sequence[Cell], choice: Choice) -> list[Cell]:
    """The chosen cells that are not done, seed by seed: an early end leaves a whole table of few seeds."""
    t0 = original_digest(bench)
    return sorted(
        (cell for cell in cells if not choice.refusal(cell) and found(bench, study, cell, t0) is None),
        key=lambda cell: cell.seed,
    )


def run(bench: Bench, study: Study, cells: Sequence[Cell], choice: Choice, told: Told) -> Outcome:
    """Compute the cells that wait, and give the rows of all.

    A cell that is refused, because training it diverges for example, or that fails its own check, is not run;
    the others are.
    """
    failures: dict[str, str] = {}
    interrupted = False
    try:
        for cell in waiting(bench, study, cells, choice):
            told(cell, _attempt(bench, study, cell, _named_original(bench), failures))
    except KeyboardInterrupt:
        interrupted = True
    t0 = original_digest(bench)
    rows = [_row(bench, study, cell, t0, _reason(cell, choice, failures)) for cell in cells]
    return Outcome(rows, failures, interrupted)


def _named_original(bench: Bench) -> str:
    """T0's name by its content, after training it if need be."""
    return digest_net(original(bench))


def _attempt(bench: Bench, study: Study, cell: Cell, t0: str, failures: dict[str, str]) -> str:
    if found(bench, study, cell, t0) is not None:  # another process was faster
        return "done meanwhile"
    started = time.perf_counter()
    try:
        row = _compute(bench, cell)
    except (InvalidInputError, CellFailedError) as error:
        failures[cell.key] = str(error)
        return f"failed: {error}"
    place = _place(bench, study, cell, t0)
    older = [work["code"] for work in row["works"] if work.get("other_code")]
    bench.cache.keep(replace(place, code=older[0]) if older else place, row)
    return f"done in {time.perf_counter() - started:.0f} s"


def _compute(bench: Bench, cell: Cell) -> Row:
    started = time.perf_counter()
    measured = cell.compute(bench, cell)
    took = time.perf_counter() - started
    training = sum(work.record["seconds"] for work in measured.works)
    just_now = sum(work.record["seconds"] for work in measured.works if work.fresh)
    return {
        **_head(bench, cell),
        **without_classes(measured.figures),
        "config": asdict(cell.config),
        "arguments": dict(cell.arguments),
        "samples": _sum([work.record["samples"] for work in measured.works]),
        "seconds": {"training": round(training, 3), "evaluation": round(max(0.0, took - just_now), 3)},
        "works": [_short(work) for work in measured.works],
        **bench.where,
    }


def _head(bench: Bench, cell: Cell) -> Row:
    return {
        "method": cell.method,
        "setting": cell.setting,
        "net": bench.order.net,
        "t0": original_source(bench),
        "data": bench.data_name,
        "scale": bench.order.scale.text,
        "seed": cell.seed,
    }


def _row(bench: Bench, study: Study, cell: Cell, t0: str | None, reason: str) -> Row:
    kept = found(bench, study, cell, t0)
    return kept if kept is not None else {**_head(bench, cell), "not_run": reason}


def _reason(cell: Cell, choice: Choice, failures: Mapping[str, str]) -> str:
    if cell.key in failures:
        return f"failed: {failures[cell.key]}"
    return choice.refusal(cell) or "interrupted before it was done"


def _place(bench: Bench, study: Study, cell: Cell, t0: str) -> Place:
    facts = {**bench.facts, "t0": t0, "study": study.name, **cell.facts}
    code = digest_code(cell.compute.__module__, *CODE)
    return Place("rows", f"{study.name}-{cell.key}", facts, code)


def _sum(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for one in counts for name in one)
    return {name: sum(one.get(name, 0) for one in counts) for name in names}


def _short(work: Work) -> dict[str, Any]:
    return {name: value for name, value in work.record.items() if name not in LEFT_OUT_OF_WORK}
