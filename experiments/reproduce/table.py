"""Rows as a table: the mean and the deviation over seeds beside the published figure."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.reproduce.study import ORIGINAL, Line, Row, Study

PAPER = "paper"
OURS = "ours"
NOT_RUN = "not run"
DECIMALS = 2


@dataclass(frozen=True)
class Figure:
    """The mean of ``count`` seeds and their sample deviation, None of a single one."""

    mean: float
    deviation: float | None
    count: int

    def text(self, decimals: int = DECIMALS) -> str:
        mean = f"{self.mean:.{decimals}f}"
        return mean if self.deviation is None else f"{mean} ± {self.deviation:.{decimals}f}"


@dataclass(frozen=True)
class Entry:
    """What one source says to one line of the table.

    Attributes:
        line: the line.
        who: `PAPER`, a method, or `OURS` where no method matters.
        figures: by column.
        run: how many seeds have figures; 0 for the paper.
        asked: how many seeds should have.
    """

    line: Line
    who: str
    figures: Mapping[str, Figure]
    run: int
    asked: int

    @property
    def seeds(self) -> str:
        if self.who == PAPER:
            return ""
        if not self.run:
            return NOT_RUN
        if ORIGINAL in self.line.methods:
            return "any"
        return str(self.run) if self.run == self.asked else f"{self.run} of {self.asked}"


def entries(study: Study, rows: Sequence[Row]) -> list[Entry]:
    """For every line the published figures, then ours by method."""
    return [entry for line in study.lines for entry in _of_line(line, rows)]


def markdown(study: Study, rows: Sequence[Row]) -> str:
    """One row per line and source; what a source does not say stays empty, what was not run says so."""
    lines = [
        [*study.heads, "", *study.columns, "seeds"],
        ["---"] * (len(study.heads) + 1) + ["---:"] * (len(study.columns) + 1),
    ]
    before: Line | None = None
    for entry in entries(study, rows):
        labels = entry.line.labels if entry.line is not before else ("",) * len(study.heads)
        shown = [
            entry.figures[name].text(study.decimals.get(name, DECIMALS)) if name in entry.figures else ""
            for name in study.columns
        ]
        if entry.who != PAPER and not entry.run:
            shown = [NOT_RUN if name in entry.line.shows else "" for name in study.columns]
        lines.append([*labels, entry.who, *shown, entry.seeds])
        before = entry.line
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def summary(values: Sequence[float]) -> Figure:
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Figure(statistics.fmean(values), deviation, len(values))


def value_at(row: Row, place: str) -> float | None:
    """What stands at a dotted place of a row; None if nothing does."""
    found: Any = row
    for part in place.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found if isinstance(found, int | float) else None


def _of_line(line: Line, rows: Sequence[Row]) -> Iterator[Entry]:
    if line.paper:
        figures = {name: Figure(value, None, 1) for name, value in line.paper.items()}
        yield Entry(line, PAPER, figures, 0, 0)
    for method in line.methods:
        asked = [
            row for row in rows if row["setting"] == line.setting and method in (row["method"], ORIGINAL)
        ]
        run = [row for row in asked if not row.get("not_run")]
        if method == ORIGINAL:
            asked, run = asked[:1], run[:1]
        who = OURS if method in (ORIGINAL, line.setting) else method
        yield Entry(line, who, _figures(line, run), len(run), len(asked))


def _figures(line: Line, rows: Sequence[Row]) -> dict[str, Figure]:
    values = {column: [value_at(row, place) for row in rows] for column, place in line.shows.items()}
    said = {column: [one for one in found if one is not None] for column, found in values.items()}
    return {column: summary(found) for column, found in said.items() if found}
