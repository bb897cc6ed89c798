"""The figures of `make bench-serving` as one picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

COLOURS = {"lirf target": "#1f6f8b", "lirf recover": "#6fb3c8", "litserve": "#c77d3c", "bentoml": "#8d6cab"}


def draw(record: dict[str, Any], path: Path) -> None:
    figure, (rates, tails, costs) = plt.subplots(1, 3, figsize=(15, 4.4), layout="constrained")
    _by_clients(rates, record["rows"], "rps", "predictions per second")
    _by_clients(tails, record["rows"], "p99_ms", "p99 in ms")
    tails.set_yscale("log")
    _costs(costs, record["recover"])
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _by_clients(axes: Axes, rows: Sequence[dict[str, Any]], figure: str, label: str) -> None:
    for system, colour in COLOURS.items():
        own = [row for row in rows if row["system"] == system]
        axes.plot(
            [str(row["clients"]) for row in own],
            [row[figure] for row in own],
            marker="o",
            color=colour,
            label=system,
        )
    axes.set_xlabel("clients")
    axes.set_ylabel(label)
    axes.legend()
    axes.grid(alpha=0.3)


def _costs(axes: Axes, rows: Sequence[dict[str, Any]]) -> None:
    for batch, marker in ((1, "o"), (64, "s")):
        own = [row for row in rows if row["batch"] == batch]
        axes.plot(
            [row["deposits"] for row in own],
            [row["times_target"] for row in own],
            marker=marker,
            label=f"batches of {batch}",
        )
    axes.set_xlabel("deposits withdrawn")
    axes.set_ylabel("time per image, target net = 1")
    axes.set_ylim(0)
    axes.legend()
    axes.grid(alpha=0.3)
