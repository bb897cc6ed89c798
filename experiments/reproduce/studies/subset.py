"""A set that shares its classes with preserved data: random images, forgotten as if never trained on."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments.reproduce.measures.membership import deposit_random_images
from experiments.reproduce.picture import bar_panels
from experiments.reproduce.study import METHODS, Cell, Line, Row, Scope, Study
from experiments.reproduce.table import markdown

PERCENT = 10
SETTING = f"random{PERCENT}%"
EITHER = "either"
"""Stands for whichever method has measured T0 on a seed's set: the figures are the same."""

NETS = {"original": (EITHER,), "target": METHODS, "recover": METHODS}
COLUMNS = {
    "AUC": "auc",
    "loss on the set": "loss.set",
    "loss on the test set": "loss.test",
    "accuracy on the set": "accuracy.set",
    "accuracy on the test set": "accuracy.test",
    "agreement": "agreement",
}


def cells(scope: Scope) -> list[Cell]:
    return [
        Cell(
            method=method,
            setting=SETTING,
            seed=seed,
            compute=deposit_random_images,
            config=scope.config(method, seed),
            arguments={"percent": PERCENT},
        )
        for seed in scope.seeds
        for method in METHODS
    ]


def table(study: Study, rows: Sequence[Row]) -> str:
    return markdown(study, [*rows, *_of_either(rows)])


def draw(study: Study, rows: Sequence[Row], path: Path) -> None:
    bar_panels(study, [*rows, *_of_either(rows)], path)


def _of_either(rows: Sequence[Row]) -> Iterator[Row]:
    """Per seed one row for T0: one that was run, if any was."""
    for seed in dict.fromkeys(row["seed"] for row in rows):
        mine = [row for row in rows if row["seed"] == seed]
        run = [row for row in mine if not row.get("not_run")]
        yield {**(run or mine)[0], "method": EITHER}


STUDY = Study(
    name="subset",
    title="A set that shares its classes",
    source="",
    heads=("net",),
    columns=tuple(COLUMNS),
    lines=tuple(
        Line(
            (net,),
            SETTING,
            {column: f"membership.{net}.{place}" for column, place in COLUMNS.items()},
            methods=methods,
        )
        for net, methods in NETS.items()
    ),
    cells=cells,
    table=table,
    draw=draw,
    units="AUC from 0 to 1, losses in nats, otherwise percent",
    decimals={"AUC": 4, "loss on the set": 4, "loss on the test set": 4},
    notes=(
        (
            f"A random {PERCENT} % of the training images is deposited, drawn anew for each seed. All classes stay "
            "preserved, so accuracy on the test set is Pre and Avg in one."
        ),
        (
            "AUC is that of an attacker who takes images of low loss for trained ones, the set against the whole test "
            "set: 0.5 where nothing can be told, as for a network that never saw the set; below it the set gives "
            "itself away by high losses."
        ),
        "Agreement is the share of test images that the net names as the original does.",
    ),
)
