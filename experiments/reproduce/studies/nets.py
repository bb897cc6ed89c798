"""Cells of studies that compare targets with the original and with a retrained network, all under the same attacks."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from experiments.reproduce.bench import Bench
from experiments.reproduce.measures.audited import RETRAINED
from experiments.reproduce.studies.shares import first_classes
from experiments.reproduce.study import ORIGINAL, Cell, Measured, Scope

PERCENT = 20
READING: Mapping[str, Any] = {
    "share": 0.5,
    "probe": {"images": 10_000, "draw": 0},
    "prototypes": {"shots": 5, "draws": 20, "seed": 0},
}
"""Arguments of `reading.read`. No attacker holds more than ``share`` of the training images."""

RETRAINED_NOTE = (
    "Retrained is a network trained from fresh weights on the preserved classes alone, with one seed. It never saw a "
    "deposited image, yet its features tell the deposited classes apart to the degree that classes resemble each "
    "other: it, and not 0, is what an attack finds after perfect forgetting. --train-epochs says how long it is "
    "trained, and its Pre how well: one that is trained too little yields too little."
)

Compute = Callable[[Bench, Cell], Measured]


def target_cell(
    scope: Scope,
    method: str,
    seed: int,
    compute: Compute,
    arguments: Mapping[str, Any],
    *,
    setting: str | None = None,
    **changes: Any,
) -> Cell:
    """A deposit of the first 20 % of the classes, with changes of the method's configuration."""
    cell = first_classes(scope, method, PERCENT, seed, compute)
    return replace(
        cell,
        setting=setting or cell.setting,
        config=scope.config(method, seed, **changes),
        arguments={**cell.arguments, **arguments},
    )


def reference_cells(scope: Scope, compute: Compute, arguments: Mapping[str, Any]) -> tuple[Cell, Cell]:
    """T0 and the retrained network, for the first seed alone: the one needs no other, the other is expensive."""
    seed = scope.seeds[0]
    classes = scope.first(PERCENT)
    refusal = None if classes else f"{PERCENT} % of {len(scope.classes)} classes are no whole classes"
    first = Cell(
        method=ORIGINAL,
        setting=ORIGINAL,
        seed=seed,
        compute=compute,
        config=scope.train,
        arguments={"classes": list(classes or ()), **arguments},
        not_run=refusal,
    )
    second = replace(
        first,
        method=RETRAINED,
        setting=RETRAINED,
        config=replace(scope.train, seed=seed),
        not_run=refusal or (None if scope.independent else "needs --independent"),
    )
    return first, second
