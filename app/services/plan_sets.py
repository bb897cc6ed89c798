"""Find the images that an order means to have forgotten, one set for each of its selections."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.db.models import Model
from app.db.repositories import deposits
from app.db.session import Session, Sessions
from app.domain.errors import Conflict, Invalid
from app.lirf.data.selection import RemovedError, Selected, Selection, select, set_digest
from app.vault.datasets import DatasetIndex


@dataclass(frozen=True)
class PlannedSet:
    """One selection, found in its data set. ``classes`` are the model's class indices, None for a mixed set."""

    selector: dict[str, Any]
    digest: str
    indices: list[int]
    classes: tuple[int, ...] | None
    touched: frozenset[int]


def plan_sets(
    sessions: Sessions,
    model: Model,
    index: DatasetIndex,
    to_model: Sequence[int],
    selections: Sequence[Selection],
) -> tuple[PlannedSet, ...]:
    """Find the sets; what earlier deposits say to them is left to `require_new`.

    Args:
        sessions: where earlier deposits are found.
        model: the one that is to forget.
        index: of the order's data set.
        to_model: per class of the data set, its index in the model.
        selections: one for each set.

    Raises:
        InvalidInputError: a selection that cannot be used, or whose images have left the data set.
        Conflict: they have left because this very model forgot them.
        Invalid: sets that share images.
    """
    try:
        sets = _found(model, index, to_model, selections)
    except RemovedError:
        _require_not_deposited(sessions, model, index, to_model, selections)
        raise
    _require_disjoint(sets)
    return sets


def require_new(session: Session, model: Model, sets: Sequence[PlannedSet]) -> None:
    """Refuse what the model has forgotten or is about to; only the write transaction knows all of it.

    Raises:
        Conflict: a set or a class was deposited before.
    """
    held = deposits.holding(session, model.id)
    taken = {index: deposit.id for deposit in held for index in deposit.classes or ()}
    digests = {deposit.set_digest: deposit.id for deposit in held}
    for one in sets:
        if one.digest in digests:
            raise Conflict(
                f"This very set was deposited before, as {digests[one.digest]}.",
                "Withdraw or erase that deposit; the model has forgotten the set already.",
                "select",
            )
        clash = sorted(one.touched & taken.keys())
        if clash:
            raise Conflict(
                f"Class {model.classes[clash[0]]!r} was deposited before, as {taken[clash[0]]}.",
                "Select images of classes that the model still knows.",
                "select",
            )


def _found(
    model: Model, index: DatasetIndex, to_model: Sequence[int], selections: Sequence[Selection]
) -> tuple[PlannedSet, ...]:
    present = {to_model[label] for label in set(index.labels.tolist())}
    whole_is_part = len(present) < len(model.classes)
    return tuple(
        _plan_set(
            index, selection, select(index, selection, whole=whole_is_part, removed=index.removed), to_model
        )
        for selection in selections
    )


def _plan_set(
    index: DatasetIndex, selection: Selection, selected: Selected, to_model: Sequence[int]
) -> PlannedSet:
    indices = selected.indices.tolist()
    touched = frozenset(to_model[label] for label in set(index.labels[selected.indices].tolist()))
    classes = (
        None if selected.classes is None else tuple(sorted(to_model[label] for label in selected.classes))
    )
    selector = {name: value for name, value in asdict(selection).items() if value is not None}
    return PlannedSet(selector, set_digest(index.row_hashes, indices), indices, classes, touched)


def _require_not_deposited(
    sessions: Sessions,
    model: Model,
    index: DatasetIndex,
    to_model: Sequence[int],
    selections: Sequence[Selection],
) -> None:
    """Say of what this model has forgotten that it has, rather than that its images are gone."""
    everything = tuple(
        _plan_set(index, selection, select(index, selection, whole=True), to_model)
        for selection in selections
    )
    with sessions.read() as session:
        require_new(session, model, everything)


def _require_disjoint(sets: Sequence[PlannedSet]) -> None:
    seen: set[int] = set()
    for number, one in enumerate(sets):
        if seen & set(one.indices):
            raise Invalid(
                f"Set {number} shares images with an earlier set of this request.",
                "Let every image belong to one set.",
                f"deposits.{number}.select",
            )
        seen |= set(one.indices)
