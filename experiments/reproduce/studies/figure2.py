"""Supplement, Figure 2: accuracies and losses while 20 % of the classes are deposited."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.reproduce.measures.curves import deposit_with_curves
from experiments.reproduce.picture import canvas
from experiments.reproduce.studies.shares import first_classes
from experiments.reproduce.study import METHODS, Cell, Row, Scope, Study
from experiments.reproduce.table import DECIMALS, NOT_RUN, Figure, summary, value_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PERCENT = 20
SHOWS = {
    "target Pre": "target.pre",
    "target Dep": "target.dep",
    "target H": "target.h",
    "rows back Dep": "target.dep_rows_kept",
    "rows back H": "target.h_rows_kept",
    "recover Pre": "recover.pre",
    "recover Dep": "recover.dep",
    "recover Avg": "recover.avg",
    "total loss": "losses.total",
    "attention loss": "attention",
}
PANELS = {
    "target net, percent": ("target Pre", "target Dep", "target H", "rows back Dep"),
    "recover net, percent": ("recover Pre", "recover Dep", "recover Avg"),
    "total loss": ("total loss",),
    "attention loss": ("attention loss",),
}
STYLES = {
    "Pre": ("-", "#0072b2"),
    "Dep": ("--", "#e69f00"),
    "H": ("-.", "#111827"),
    "Avg": ("-.", "#009e73"),
    "rows back Dep": (":", "#cc79a7"),
    "total loss": ("-", "#6b7280"),
    "attention loss": ("-", "#6b7280"),
}


def cells(scope: Scope) -> list[Cell]:
    return [
        first_classes(scope, method, PERCENT, seed, deposit_with_curves)
        for seed in scope.seeds
        for method in METHODS
    ]


def epochs_of(rows: Sequence[Row], method: str) -> list[tuple[int, dict[str, Figure]]]:
    """Per epoch the figures of every column, over the seeds that were run."""
    run = [row for row in rows if row["method"] == method and not row.get("not_run")]
    return [
        (points[0]["epoch"], _figures(points)) for points in zip(*(row["curves"] for row in run), strict=True)
    ]


def table(study: Study, rows: Sequence[Row]) -> str:
    """One row per method and epoch."""
    lines = [
        [*study.heads, *study.columns, "seeds"],
        ["---", "---:", *["---:"] * (len(study.columns) + 1)],
    ]
    for method in METHODS:
        lines += _rows_of(study, method, rows)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def draw(study: Study, rows: Sequence[Row], path: Path) -> None:
    """A row of panels per method."""
    with canvas(path, study.title, rows, len(METHODS), len(PANELS)) as panels:
        for method, across in zip(METHODS, panels, strict=True):
            epochs = epochs_of(rows, method)
            for axes, (title, columns) in zip(across, PANELS.items(), strict=True):
                axes.set_title(f"{method}: {title}", fontsize=9, loc="left")
                axes.set_xlabel("epoch", fontsize=8)
                axes.set_xticks([epoch for epoch, _ in epochs])
                for column in columns:
                    _curve(axes, column, epochs)


def _curve(axes: "Axes", column: str, epochs: Sequence[tuple[int, dict[str, Figure]]]) -> None:
    name = column.removeprefix("target ").removeprefix("recover ")
    style, colour = STYLES[name]
    shown = [(epoch, figures[column]) for epoch, figures in epochs if column in figures]
    if shown:
        axes.errorbar(
            [epoch for epoch, _ in shown],
            [figure.mean for _, figure in shown],
            [figure.deviation or 0 for _, figure in shown],
            linestyle=style,
            color=colour,
            label=name,
            marker="o",
            markersize=3,
            capsize=2,
        )


def _rows_of(study: Study, method: str, rows: Sequence[Row]) -> Iterator[list[str]]:
    asked = [row for row in rows if row["method"] == method]
    run = sum(not row.get("not_run") for row in asked)
    seeds = str(run) if run == len(asked) else f"{run} of {len(asked)}"
    epochs = epochs_of(rows, method)
    if not epochs:
        yield [method, "", *[NOT_RUN] * len(study.columns), NOT_RUN]
    for epoch, figures in epochs:
        shown = [
            figures[column].text(study.decimals.get(column, DECIMALS)) if column in figures else ""
            for column in study.columns
        ]
        yield [method, str(epoch), *shown, seeds]


def _figures(points: Sequence[Row]) -> dict[str, Figure]:
    values = {column: [value_at(point, place) for point in points] for column, place in SHOWS.items()}
    said = {column: [one for one in found if one is not None] for column, found in values.items()}
    return {column: summary(found) for column, found in said.items() if found}


STUDY = Study(
    name="figure2",
    title=f"While {PERCENT} % of the classes are deposited",
    source="supplement, Figure 2, CIFAR-10, 20 epochs; it is a picture, so there are no figures to put beside ours",
    heads=("method", "epoch"),
    columns=tuple(SHOWS),
    lines=(),
    cells=cells,
    table=table,
    draw=draw,
    decimals={"attention loss": 4},
    notes=(
        "The total loss is the epoch's mean as minimised, so it is comparable within one method only.",
        (
            "The attention loss is L_at between target and original at the epoch's end, unweighted, on the test images "
            "of the deposited classes."
        ),
    ),
)
