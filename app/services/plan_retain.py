"""Plan the kept images that a deposit may use: find them, and make sure that nothing deposited is among them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from app.db.models import Model
from app.db.repositories import deposits
from app.db.session import Session, Sessions
from app.domain.errors import Conflict, Invalid
from app.lirf.data.selection import RemovedError, Selection, select
from app.lirf.errors import InvalidInputError
from app.services.find import dataset_of
from app.services.plans import open_dataset, stored_selection
from app.vault.datasets import DatasetIndex


@dataclass(frozen=True)
class PlannedRetain:
    """A retain set whose images are apart from those of its own request.

    Attributes:
        selector: as the caller wrote it.
        size: number of images.
        touched: the model's class indices that they show.
        shared: per earlier deposit of a mixed set that was compared, an id of an image that is in both, or None.
    """

    selector: dict[str, Any]
    size: int
    touched: frozenset[int]
    shared: Mapping[str, str | None]


def plan_retain(
    sessions: Sessions,
    model: Model,
    index: DatasetIndex,
    to_model: Sequence[int],
    selection: Selection,
    forgotten: Collection[int],
    gone: Collection[int],
) -> PlannedRetain:
    """Find the images to retain; what earlier deposits say to them is left to `require_apart`.

    Args:
        sessions: where earlier deposits and their data sets are found.
        model: the one that is to forget.
        index: of the request's data set.
        to_model: per class of the data set, its index in the model.
        selection: of the retain set.
        forgotten: rows of ``index`` that the request deposits.
        gone: the model's class indices that the request deposits whole.

    Raises:
        InvalidInputError: a selection that cannot be used.
        Invalid: more images than are forgotten, or some that the request itself deposits.
    """
    try:
        rows = _rows(index, selection, index.removed)
    except RemovedError:
        _require_known(sessions, model, index, to_model, selection)
        raise
    touched = frozenset(to_model[label] for label in set(index.labels[rows].tolist()))
    if touched & set(gone):
        raise Invalid(
            f"Class {model.classes[min(touched & set(gone))]!r} is to be forgotten whole, "
            "yet some of the images to retain show it.",
            "Retain images of classes that the model keeps.",
            "retain",
        )
    ours = {index.row_hashes[row] for row in forgotten}
    both = [row for row in rows if index.row_hashes[row] in ours]
    if both:
        raise Invalid(
            f"{len(both)} of the {len(rows)} images to retain are to be forgotten as well, "
            f"among them {index.ids[both[0]]!r}.",
            "Leave them out; an equal image under another id counts as the same.",
            "retain",
        )
    if len(rows) > len(forgotten):
        raise Invalid(
            f"{len(rows)} images are to be retained, but only {len(forgotten)} to be forgotten.",
            f"Retain at most {len(forgotten)}, e.g. by ids.",
            "retain",
        )
    return _planned(sessions, model, index, touched, selection, rows)


def require_apart(session: Session, model: Model, planned: PlannedRetain) -> None:
    """Refuse images that an earlier deposit holds; only the write transaction knows all of these.

    Raises:
        Conflict: a class or an image to retain was deposited before.
    """
    for deposit in deposits.holding(session, model.id):
        clash = sorted(planned.touched & set(deposit.classes or ()))
        if clash:
            raise Conflict(
                f"Class {model.classes[clash[0]]!r} was deposited before, as {deposit.id}, "
                "yet some of the images to retain show it.",
                "Retain images of classes that the model still knows.",
                "retain",
            )
        if deposit.classes is None and deposit.id not in planned.shared:
            raise Conflict(
                f"Deposit {deposit.id} was accepted at the same moment.", "Send the request again.", "retain"
            )
        if planned.shared.get(deposit.id) is not None:
            raise Conflict(
                f"The image {planned.shared[deposit.id]!r} was deposited before, as {deposit.id}.",
                "Retain images that the model still knows.",
                "retain",
            )


def _require_known(
    sessions: Sessions, model: Model, index: DatasetIndex, to_model: Sequence[int], selection: Selection
) -> None:
    """Say of images that this model has forgotten that it has, rather than that they are gone."""
    rows = _rows(index, selection, None)
    touched = frozenset(to_model[label] for label in set(index.labels[rows].tolist()))
    with sessions.read() as session:
        require_apart(session, model, _planned(sessions, model, index, touched, selection, rows))


def _planned(
    sessions: Sessions,
    model: Model,
    index: DatasetIndex,
    touched: frozenset[int],
    selection: Selection,
    rows: Sequence[int],
) -> PlannedRetain:
    names = {index.row_hashes[row]: index.ids[row] for row in rows}
    selector = {name: value for name, value in asdict(selection).items() if value is not None}
    return PlannedRetain(selector, len(rows), touched, _shared(sessions, model, names))


def _rows(index: DatasetIndex, selection: Selection, removed: Tensor | None) -> list[int]:
    try:
        rows: list[int] = select(index, selection, whole=True, removed=removed).indices.tolist()
    except InvalidInputError as error:
        raise type(error)(error.field.replace("select", "retain", 1), error.problem, error.remedy) from error
    return rows


def _shared(sessions: Sessions, model: Model, names: Mapping[bytes, str]) -> dict[str, str | None]:
    """Per deposit of a mixed set, one of the named images that it holds, or None."""
    shared: dict[str, str | None] = {}
    with sessions.read() as session:
        for deposit in deposits.holding(session, model.id):
            if deposit.classes is not None:
                continue
            index = open_dataset(session, dataset_of(session, deposit.dataset_id)).index
            rows = select(index, stored_selection(deposit.selector), whole=True).indices.tolist()
            found = names.keys() & {index.row_hashes[row] for row in rows}
            shared[deposit.id] = names[min(found)] if found else None
    return shared
