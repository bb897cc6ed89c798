"""A bar chart of the three nets' accuracies."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

GROUPS = {
    "pre": "Pre\nclasses that stay",
    "dep": "Dep\ndeposited classes",
    "h": "H\nforgetting well",
    "avg": "Avg\nwhole test set",
}
COLOURS = ("#6b7280", "#0072b2", "#8cc5e8", "#e69f00")
"""Grey for what was, blue for who forgot, orange for who remembers; told apart without colour vision too."""

BAR = 0.2
GAP = 0.86


def draw(nets: Mapping[str, Mapping[str, float]], labels: Mapping[str, str], title: str, path: Path) -> None:
    """One group of bars per metric, one colour per net, every bar with its figure; PNG at ``path``."""
    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(9, 4.2), layout="constrained")
    for place, (metric, _) in enumerate(GROUPS.items()):
        shown = [(net, nets[net][metric]) for net in labels if metric in nets[net]]
        left = place - BAR * (len(shown) - 1) / 2
        for offset, (net, value) in enumerate(shown):
            colour = COLOURS[list(labels).index(net)]
            bar = axes.bar(left + offset * BAR, value, BAR * GAP, color=colour)
            axes.bar_label(bar, fmt="%.1f", padding=2, fontsize=8, color="#374151")
    handles = [
        axes.bar(0, 0, color=colour, label=label)
        for colour, label in zip(COLOURS, labels.values(), strict=True)
    ]
    axes.legend(handles=handles, ncols=2, frameon=False, loc="lower center", bbox_to_anchor=(0.5, -0.38))
    axes.set_xticks(range(len(GROUPS)), list(GROUPS.values()))
    axes.set_ylim(0, 108)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylabel("percent")
    axes.set_title(title, loc="left", fontsize=11)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, metadata={"Software": None})
    plt.close(figure)
