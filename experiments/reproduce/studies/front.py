"""How deep knowledge is removed against what that costs, over the one setting of each method that decides it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.reproduce.measures.audited import RETRAINED
from experiments.reproduce.measures.reading import read
from experiments.reproduce.picture import OTHERS, canvas, colour
from experiments.reproduce.studies.nets import (
    PERCENT,
    READING,
    RETRAINED_NOTE,
    reference_cells,
    target_cell,
)
from experiments.reproduce.study import ORIGINAL, Cell, Line, Row, Scope, Study
from experiments.reproduce.table import OURS, Entry, Figure, entries, markdown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VARIED: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "lirf": ("lambda_kr", (0.25, 1.0, 4.0)),
    "lirf+": ("strength", (0.0, 0.5, 1.0, 3.0)),
}
"""Method -> the field of `DepositConfig` that is varied, and its values."""

READ = {"probe": "probe", "prototypes": "prototypes.mean"}
SHOWS = {
    **READ,
    "target Pre": "target.pre",
    "target Dep": "target.dep",
    "target H": "target.h",
    "rows back Pre": "target.pre_rows_kept",
    "rows back Dep": "target.dep_rows_kept",
    "rows back H": "target.h_rows_kept",
    "recover Avg": "recover.avg",
}
COSTS = ("recover Avg", "target Pre", "rows back H")
COLOURS = {ORIGINAL: colour(OURS), RETRAINED: OTHERS[0]}


def setting_of(field: str, value: float) -> str:
    return f"{field}={value:g}"


def cells(scope: Scope) -> list[Cell]:
    return [
        *reference_cells(scope, read, READING),
        *(
            target_cell(
                scope, method, seed, read, READING, setting=setting_of(field, value), **{field: value}
            )
            for seed in scope.seeds
            for method, (field, values) in VARIED.items()
            for value in values
        ),
    ]


def draw(study: Study, rows: Sequence[Row], path: Path) -> None:
    """What an attack reads, across, against what forgetting costs, up: left and high is good."""
    found = [entry for entry in entries(study, rows) if entry.run]
    with canvas(path, f"{study.title}, {study.units}", rows, len(READ), len(COSTS)) as panels:
        for attack, across in zip(READ, panels, strict=True):
            for axes, cost in zip(across, COSTS, strict=True):
                axes.set_title(cost, fontsize=9, loc="left")
                axes.set_xlabel(f"{attack} on the deposited classes", fontsize=8)
                for method, (field, _) in VARIED.items():
                    _front(axes, [one for one in found if one.who == method], attack, cost, field)
                for name in (ORIGINAL, RETRAINED):
                    _reference(axes, [one for one in found if one.line.setting == name], attack, cost)


def _front(axes: "Axes", points: Sequence[Entry], attack: str, cost: str, field: str) -> None:
    """One method's points in the order of its values, each with its value beside it."""
    shown = [(one.figures[attack], one.figures[cost], one) for one in points]
    if not shown:
        return
    across, up = [figure for figure, _, _ in shown], [figure for _, figure, _ in shown]
    who = points[0].who
    axes.errorbar(
        [figure.mean for figure in across],
        [figure.mean for figure in up],
        [_spread(figure) for figure in up],
        [_spread(figure) for figure in across],
        color=colour(who),
        label=f"{who}, {field}",
        marker="o",
        markersize=3,
        linewidth=1.2,
        elinewidth=0.7,
    )
    for x, y, one in shown:
        axes.annotate(
            one.line.setting.partition("=")[2],
            (x.mean, y.mean),
            xytext=(3, 3),
            textcoords="offset points",
            fontsize=6,
            color=colour(who),
        )


def _reference(axes: "Axes", points: Sequence[Entry], attack: str, cost: str) -> None:
    """A vertical line at what the attack reads, with a mark on it where the net has the other figure too."""
    for one in points:
        name, x = one.line.setting, one.figures[attack].mean
        axes.axvline(x, color=COLOURS[name], linestyle="--", linewidth=1, label=name)
        if cost in one.figures:
            axes.plot([x], [one.figures[cost].mean], color=COLOURS[name], marker="D", markersize=5)


def _spread(figure: Figure) -> float:
    return figure.deviation or 0.0


STUDY = Study(
    name="front",
    title="The front: how deep the knowledge is removed against what it costs",
    source="",
    heads=("net or setting",),
    columns=tuple(SHOWS),
    lines=(
        Line(
            ("original",),
            ORIGINAL,
            {
                **READ,
                "target Pre": "original.pre",
                "target Dep": "original.dep",
                "recover Avg": "original.avg",
            },
            methods=(ORIGINAL,),
        ),
        Line(
            ("retrained",),
            RETRAINED,
            {
                **READ,
                "target Pre": "retrained.pre",
                "target Dep": "retrained.dep",
                "target H": "retrained.h",
                "rows back Pre": "retrained.pre",
                "rows back Dep": "retrained.dep",
                "rows back H": "retrained.h",
            },
            methods=(RETRAINED,),
        ),
        *(
            Line((f"{field} {value:g}",), setting_of(field, value), SHOWS, methods=(method,))
            for method, (field, values) in VARIED.items()
            for value in values
        ),
    ),
    cells=cells,
    table=markdown,
    draw=draw,
    notes=(
        f"The first {PERCENT} % of the classes are deposited as one set; every other setting is the method's own.",
        (
            "Probe and prototypes are accuracies on the deposited test images, read from the target's features: a "
            "linear probe trained on 10,000 training images of all classes (half of them all where there are fewer), "
            "and the nearest class mean of 5 of them per class, the mean of 20 draws."
        ),
        RETRAINED_NOTE,
        "The original's line has its own Pre, Dep and Avg, the retrained network's its own Pre, Dep and H.",
        "lirf has no strength; the weight of its removal takes that part.",
    ),
)
