"""Rows as a picture: one panel per column of the table, ours beside the paper."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.lirf.errors import InvalidInputError
from experiments.reproduce.study import Row, Study
from experiments.reproduce.table import OURS, PAPER, entries

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {PAPER: "#6b7280", OURS: "#111827", "lirf": "#0072b2", "lirf+": "#e69f00"}
OTHERS = ("#009e73", "#cc79a7", "#56b4e9")
"""Told apart without colour vision too."""

PANELS_ACROSS = 5
BAR = 0.8
LONG = 6
"""Letters of a label up to which it stands upright."""

Point = tuple[int, float, float | None]
Draw = Callable[["Axes", str, Sequence[Point], Sequence[str]], None]
"""Draws the points of one source, who is given with everyone that the picture shows."""


def require_matplotlib() -> None:
    """Refuse early what would fail after hours.

    Raises:
        InvalidInputError: matplotlib is not there.
    """
    if find_spec("matplotlib") is None:
        raise InvalidInputError(
            "picture",
            "matplotlib is not installed.",
            "Install it, or the extra `dev` of this project: pip install matplotlib.",
        )


def series(study: Study, rows: Sequence[Row], column: str) -> dict[str, list[Point]]:
    """Who -> (number of the line, mean, deviation) of one column: what a panel shows, as the table says it."""
    shown: dict[str, list[Point]] = {}
    places = {id(line): place for place, line in enumerate(study.lines)}
    for entry in entries(study, rows):
        if column in entry.figures:
            figure = entry.figures[column]
            point = (places[id(entry.line)], figure.mean, figure.deviation)
            shown.setdefault(entry.who, []).append(point)
    return shown


def line_panels(study: Study, rows: Sequence[Row], path: Path) -> None:
    """Lines over the settings, for settings that are in an order."""

    def draw(axes: "Axes", who: str, points: Sequence[Point], _: Sequence[str]) -> None:
        across, up, deviations = zip(*points, strict=True)
        axes.errorbar(
            across,
            up,
            [deviation or 0 for deviation in deviations],
            color=colour(who),
            label=who,
            marker="o",
            markersize=3,
            linewidth=1.3,
            linestyle="--" if who == PAPER else "-",
            capsize=2,
        )

    _panels(study, rows, path, draw)


def bar_panels(study: Study, rows: Sequence[Row], path: Path) -> None:
    """Bars beside each other for each setting."""

    def draw(axes: "Axes", who: str, points: Sequence[Point], everyone: Sequence[str]) -> None:
        width = BAR / len(everyone)
        left = width * (everyone.index(who) - (len(everyone) - 1) / 2)
        across, up, deviations = zip(*points, strict=True)
        axes.bar(
            [place + left for place in across],
            up,
            width * 0.9,
            yerr=[deviation or 0 for deviation in deviations],
            color=colour(who),
            label=who,
            error_kw={"linewidth": 1},
        )

    _panels(study, rows, path, draw)


def colour(who: str) -> str:
    return COLOURS.get(who) or OTHERS[sum(who.encode()) % len(OTHERS)]


@contextmanager
def canvas(path: Path, title: str, rows: Sequence[Row], down: int, across: int) -> Iterator[Any]:
    """An array of panels, [down, across], saved at the path as PNG when the block is left."""
    import matplotlib as mpl  # noqa: PLC0415  it takes a second, and is not installed everywhere
    from matplotlib import pyplot as plt  # noqa: PLC0415

    mpl.use("Agg")
    figure, panels = plt.subplots(
        down, across, figsize=(3.4 * across, 3 * down), layout="constrained", squeeze=False
    )
    yield panels
    for axes in panels.flat:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=0, labelsize=7)
        axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
        axes.set_axisbelow(True)
    missing = sum(bool(row.get("not_run")) for row in rows)
    figure.suptitle(title + (f" ({missing} of {len(rows)} rows not run)" if missing else ""), fontsize=11)
    handles = {
        label: handle
        for axes in panels.flat
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if handles:
        figure.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, metadata={"Software": None})
    plt.close(figure)


def _panels(study: Study, rows: Sequence[Row], path: Path, draw: Draw) -> None:
    across = min(PANELS_ACROSS, len(study.columns))
    down = -(-len(study.columns) // across)
    with canvas(path, f"{study.title}, {study.units}", rows, down, across) as panels:
        for axes, column in zip_longest(panels.flat, study.columns):
            if column is None:
                axes.set_axis_off()
            else:
                _panel(axes, study, rows, column, draw)


def _panel(axes: "Axes", study: Study, rows: Sequence[Row], column: str, draw: Draw) -> None:
    """One column; lines of the table without a figure in it get no place."""
    shown = series(study, rows, column)
    everyone = list(dict.fromkeys(entry.who for entry in entries(study, rows)))
    places = sorted({line for points in shown.values() for line, _, _ in points})
    for who, points in shown.items():
        draw(axes, who, [(places.index(line), mean, spread) for line, mean, spread in points], everyone)
    full = _full_labels(study)
    labels = [" ".join(filter(None, full[line])) for line in places]
    axes.set_title(column, fontsize=9, loc="left")
    axes.set_xlim(-0.5, max(1, len(labels)) - 0.5)
    axes.set_xticks(range(len(labels)), labels, rotation=90 if any(len(one) > LONG for one in labels) else 0)


def _full_labels(study: Study) -> list[tuple[str, ...]]:
    """Labels with what the table leaves empty, since it stands in the line above."""
    full: list[tuple[str, ...]] = []
    for line in study.lines:
        first, *rest = line.labels
        full.append((first or full[-1][0], *rest))
    return full
