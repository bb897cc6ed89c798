"""Validation as hard as new images: what a module is taught on, and what its level is worth."""

from collections.abc import Mapping

from experiments.reproduce.measures.hard_views import deposit_and_view
from experiments.reproduce.picture import bar_panels
from experiments.reproduce.study import Cell, Line, Scope, Study
from experiments.reproduce.table import markdown

METHOD = "lirf+"
PAIRS = ((0, 1), (2, 3), (4, 5))
TAUGHT: Mapping[str, tuple[str, ...] | None] = {
    "": None,
    "collages": ("patch_mix",),
    "collages and crops": ("patch_mix", "turned_crop"),
    "crops": ("turned_crop",),
}
"""What surrogates are -> their kinds; the method's own for none."""

SHOWS = {
    "T0": "views.original",
    "T~": "views.recover",
    "T~ without level": "views.unlevelled",
    "T0 + T_r": "views.original_target",
    "T + T0": "views.original_branches",
    "level": "views.level",
    "overrated": "views.overrated",
}


def cells(scope: Scope) -> list[Cell]:
    return [
        _cell(scope, seed, pair, taught)
        for seed in scope.seeds
        for pair in PAIRS
        for taught in TAUGHT
        if not taught or pair == PAIRS[0]
    ]


def _cell(scope: Scope, seed: int, pair: tuple[int, int], taught: str) -> Cell:
    kinds = TAUGHT[taught]
    inside = max(pair) < len(scope.classes) and len(scope.classes) > len(pair)
    return Cell(
        method=METHOD,
        setting=_setting(pair, taught),
        seed=seed,
        compute=deposit_and_view,
        config=scope.config(METHOD, seed, **({} if kinds is None else {"surrogates": kinds})),
        arguments={"classes": list(pair)},
        not_run=None if inside else f"{len(scope.classes)} classes have no classes {pair[0]} and {pair[1]}",
    )


def _setting(pair: tuple[int, int], taught: str) -> str:
    return f"pair{pair[0]}-{pair[1]}" + (f", {taught}" if taught else "")


STUDY = Study(
    name="hard-views",
    title="Validation as hard as new images",
    source="",
    heads=("deposited", "taught on"),
    columns=tuple(SHOWS),
    lines=tuple(
        Line(
            (f"classes {pair[0]}, {pair[1]}", taught or "the default"),
            _setting(pair, taught),
            SHOWS,
            methods=(METHOD,),
        )
        for pair in PAIRS
        for taught in TAUGHT
        if not taught or pair == PAIRS[0]
    ),
    cells=cells,
    table=markdown,
    draw=bar_panels,
    units="percent; level and overrated in units of logits",
    notes=(
        (
            "Up to 6,000 training images of all classes, each turned by up to 15°, scaled by up to 15 % and shifted "
            "by up to 3 pixels of 32: T0 was trained on none of these views. No test image is read."
        ),
        (
            "The swaps are without the level. Overrated is the mean of the module's deposit logits less those of T0, "
            "on views of preserved classes, before the level is added."
        ),
    ),
)
