"""What can still be read below the output after a deposit, beside a network that never saw the deposited classes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.lirf.audits.relearn import RelearnConfig
from experiments.reproduce.measures.attacks import attack
from experiments.reproduce.measures.audited import RETRAINED
from experiments.reproduce.picture import OTHERS, canvas, colour
from experiments.reproduce.studies.nets import (
    PERCENT,
    READING,
    RETRAINED_NOTE,
    reference_cells,
    target_cell,
)
from experiments.reproduce.study import METHODS, ORIGINAL, Cell, Line, Row, Scope, Study
from experiments.reproduce.table import DECIMALS, NOT_RUN, OURS, Entry, Figure, entries

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STUDENT_EPOCHS = 10
MAX_STEPS = 500
ATTACKS = {
    "probe": "probe",
    "prototypes": "prototypes.mean",
    "relearn steps": "relearn.steps",
    "student Pre": "student.pre",
    "student Dep": "student.dep",
    "student probe": "student.probe",
}
"""Column -> place in a row; each is shown with its distance to the retrained network."""

STEPS, AIN = "relearn steps", "AIN"
CURVES = "relearning: Dep by step"
PANELS = ("Dep", "probe", "prototypes", STEPS, CURVES, "student Dep", "student probe", "student Pre")
ACROSS = 4


def cells(scope: Scope) -> list[Cell]:
    return [
        *reference_cells(scope, attack, arguments(scope, scope.seeds[0])),
        *(
            target_cell(scope, method, seed, attack, arguments(scope, seed))
            for seed in scope.seeds
            for method in METHODS
        ),
    ]


def arguments(scope: Scope, seed: int) -> dict[str, Any]:
    """All attacks: which images the attacker holds is the same for every net, the rest of chance is the seed's."""
    relearning = RelearnConfig(share=0.95, max_steps=MAX_STEPS, every=5, batch_size=128, seed=seed)
    return {
        **READING,
        "relearn": {"images": 500, "draw": 1, **asdict(relearning)},
        "student": {
            "images": 10_000,
            "draw": 2,
            "temperature": 4.0,
            "train": asdict(replace(scope.train, epochs=STUDENT_EPOCHS, seed=seed)),
        },
    }


def table(study: Study, rows: Sequence[Row]) -> str:
    """One row per net; behind each attack's figure the distance to the retrained network."""
    lines = [
        [*study.heads, *study.columns, "seeds"],
        ["---", *["---:"] * (len(study.columns) + 1)],
    ]
    found = entries(study, rows)
    aim = _aim(found)
    for entry in found:
        shown = [_shown(study, entry, column, aim) for column in study.columns]
        lines.append([_name(entry), *(shown if entry.run else [NOT_RUN] * len(shown)), _seeds(entry)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def draw(study: Study, rows: Sequence[Row], path: Path) -> None:
    """A panel of bars per attack with a line at the retrained network, and the relearning curves."""
    found = [entry for entry in entries(study, rows) if entry.run]
    down = -(-len(PANELS) // ACROSS)
    with canvas(path, f"{study.title}, {study.units}", rows, down, ACROSS) as panels:
        for axes, column in zip_longest(panels.flat, PANELS):
            axes.set_title(column, fontsize=9, loc="left")
            if column == CURVES:
                _curves(axes, rows)
            else:
                _bars(axes, found, column)


def _aim(found: Sequence[Entry]) -> Mapping[str, Figure]:
    """The retrained network's figures; none if it was not run."""
    (retrained,) = [entry for entry in found if entry.line.setting == RETRAINED]
    return retrained.figures


def _name(entry: Entry) -> str:
    return entry.line.labels[0] if entry.who == OURS else entry.who


def _seeds(entry: Entry) -> str:
    """T0 is one network, but attacks on it have a seed too."""
    return str(entry.run) if entry.line.setting == ORIGINAL and entry.run else entry.seeds


def _shown(study: Study, entry: Entry, column: str, aim: Mapping[str, Figure]) -> str:
    decimals = study.decimals.get(column, DECIMALS)
    if column == AIN:
        return _anamnesis(entry, aim, decimals)
    figure = entry.figures.get(column)
    if figure is None:
        return f"> {MAX_STEPS}" if column == STEPS else ""
    text = figure.text(decimals)
    if column in ATTACKS and column in aim and entry.line.setting != RETRAINED:
        text += f" ({figure.mean - aim[column].mean:+.{decimals}f})".replace("-", "−")
    return text + (_share(entry, figure) if column == STEPS else "")


def _anamnesis(entry: Entry, aim: Mapping[str, Figure], decimals: int) -> str:
    """Steps over those of the retrained network; empty where that has none to compare with."""
    if STEPS not in aim or not aim[STEPS].mean:
        return ""
    whole, figure = aim[STEPS].mean, entry.figures.get(STEPS)
    if figure is None:
        return f"> {MAX_STEPS / whole:.{decimals}f}"
    deviation = None if figure.deviation is None else figure.deviation / whole
    return Figure(figure.mean / whole, deviation, figure.count).text(decimals) + _share(entry, figure)


def _share(entry: Entry, figure: Figure) -> str:
    """How many seeds a figure of steps is of, if the others never got there."""
    return f", {figure.count} of {entry.run} within {MAX_STEPS}" if figure.count < entry.run else ""


def _bars(axes: "Axes", found: Sequence[Entry], column: str) -> None:
    shown = [entry for entry in found if column in entry.figures]
    figures = [entry.figures[column] for entry in shown]
    names = [_name(entry) for entry in shown]
    axes.bar(
        range(len(shown)),
        [figure.mean for figure in figures],
        0.7,
        yerr=[figure.deviation or 0 for figure in figures],
        color=[_colour(name) for name in names],
        error_kw={"linewidth": 1},
    )
    axes.set_xticks(range(len(shown)), names)
    aim = _aim(found).get(column) if any(entry.line.setting == RETRAINED for entry in found) else None
    if aim is not None:
        axes.axhline(aim.mean, color=_colour(RETRAINED), linestyle="--", linewidth=1)


def _curves(axes: "Axes", rows: Sequence[Row]) -> None:
    """One line per net and seed; T0 is there before the first step."""
    axes.set_xlabel("step", fontsize=8)
    for row in rows:
        if row.get("not_run") or row["method"] == ORIGINAL:
            continue
        steps, accuracies = zip(*row["relearn"]["curve"], strict=True)
        axes.plot(
            steps, accuracies, color=_colour(row["method"]), label=row["method"], linewidth=1.2, marker="."
        )


def _colour(name: str) -> str:
    return {ORIGINAL: colour(OURS), RETRAINED: OTHERS[0]}.get(name) or colour(name)


def _line(name: str, setting: str, net: str, **further: str) -> Line:
    output = {"Pre": f"{net}.pre", "Dep": f"{net}.dep", **further}
    return Line((name,), setting, {**output, **ATTACKS}, methods=(name,) if name == setting else METHODS)


STUDY = Study(
    name="below-output",
    title="What can still be read below the output",
    source="",
    heads=("net",),
    columns=(
        "Pre",
        "Dep",
        "rows back Dep",
        "probe",
        "prototypes",
        STEPS,
        AIN,
        "student Pre",
        "student Dep",
        "student probe",
    ),
    lines=(
        _line(ORIGINAL, ORIGINAL, ORIGINAL),
        _line(RETRAINED, RETRAINED, RETRAINED),
        _line("target", f"{PERCENT}%", "target", **{"rows back Dep": "target.dep_rows_kept"}),
    ),
    cells=cells,
    table=table,
    draw=draw,
    units="percent, steps and their ratio",
    decimals={STEPS: 1},
    notes=(
        f"The first {PERCENT} % of the classes are deposited as one set; lirf and lirf+ are the targets as served.",
        RETRAINED_NOTE + " In brackets: the distance to it.",
        (
            "Probe and prototypes are accuracies on the deposited test images, read from the features before the "
            "classifier: a linear probe trained on 10,000 training images of all classes, and the nearest class "
            "mean of 5 of them per class, the mean of 20 draws."
        ),
        (
            "Relearn steps: the attacker fine-tunes the net on 500 training images, as many of each class, until it "
            f"answers 95 % of the deposited test images that the original does, measured every 5 steps up to "
            f"{MAX_STEPS}. AIN (Anamnesis Index) is the steps over those of the retrained network: 1 where nothing "
            "was left behind."
        ),
        (
            "Student: a fresh network taught for "
            f"{STUDENT_EPOCHS} epochs by the net's answers to 10,000 training images without labels, sealed rows put "
            "back. Its Pre and Dep are over all classes; its probe is as above, on the student's features."
        ),
        "On less data the attacker holds at most half of the training images; each row says how many.",
    ),
)
