"""Which rows of a data set a caller means: by class, by id, or by a metadata column."""

import difflib
import hashlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from app.lirf.data.dataset import ImageDataset
from app.lirf.errors import InvalidInputError

_SHOWN = 10
_ONE_WAY = "Select by exactly one of classes, ids or where."


class Rows(Protocol):
    """What a selection looks at: an `ImageDataset`, or an index of one without its pixels."""

    @property
    def labels(self) -> Tensor: ...
    @property
    def ids(self) -> tuple[str, ...]: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def metadata(self) -> Mapping[str, tuple[Any, ...]]: ...
    def __len__(self) -> int: ...


class RemovedError(InvalidInputError):
    """What is selected has no images any more."""


@dataclass(frozen=True)
class Selection:
    """A description of rows; exactly one attribute is given.

    Attributes:
        classes: class names; every row of them.
        ids: row ids.
        where: allowed values by metadata column; a row must match every column.

    Raises:
        InvalidInputError: none given, or more than one.
    """

    classes: tuple[str, ...] | None = None
    ids: tuple[str, ...] | None = None
    where: Mapping[str, tuple[Any, ...]] | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("classes", "ids", "where") if getattr(self, name) is not None]
        if len(given) != 1:
            what = f"More than one way is given: {', '.join(given)}." if given else "Nothing is selected."
            raise InvalidInputError("select", what, _ONE_WAY)


@dataclass(frozen=True, eq=False)
class Selected:
    """The rows a selection means.

    Attributes:
        indices: int64 [M], ascending.
        classes: ascending class indices, if the rows are all rows of these classes, however they were
            selected; None otherwise.
    """

    indices: Tensor
    classes: tuple[int, ...] | None


def select(
    dataset: Rows, selection: Selection, *, whole: bool = False, removed: Tensor | None = None
) -> Selected:
    """The rows of ``dataset`` that ``selection`` means; all of them only where ``whole`` allows it.

    Args:
        dataset: what is selected from.
        selection: what is meant.
        whole: whether it may mean everything.
        removed: bool [N], rows that have no image any more; they are not part of a class or a column's value.

    Raises:
        InvalidInputError: on ``select.classes``, ``select.ids`` or ``select.where`` for something unknown,
            repeated or without rows, and on ``select`` for all rows.
        RemovedError: ids of removed rows, a class of which none has an image, or nothing but removed rows.
    """
    there = torch.ones(len(dataset), dtype=torch.bool) if removed is None else ~removed
    if selection.classes is not None:
        mask = _by_classes(dataset, selection.classes)
    elif selection.ids is not None:
        mask = _by_ids(dataset, selection.ids)
    else:
        assert selection.where is not None
        mask = _by_where(dataset, selection.where)
    mask = _with_images(dataset, selection, mask, there)
    if torch.equal(mask, there) and not whole:
        raise InvalidInputError(
            "select",
            "The whole data set is selected, and forgetting everything leaves no model.",
            "Select a part of it, or delete the model instead.",
        )
    return Selected(mask.nonzero().flatten(), _whole_classes(dataset, mask, there))


def row_hashes(dataset: ImageDataset) -> tuple[bytes, ...]:
    """Per row the SHA-256 of its class name, shape and pixels: equal rows of two data sets hash alike."""
    shape = ",".join(str(size) for size in dataset.shape).encode()
    names = [hashlib.sha256(name.encode()).digest() + shape for name in dataset.classes]
    return tuple(
        hashlib.sha256(names[label] + image.tobytes()).digest()
        for label, image in zip(dataset.labels.tolist(), dataset.images.numpy(), strict=True)
    )


def set_digest(hashes: Sequence[bytes], indices: Iterable[int]) -> str:
    """SHA-256 in hex that names the set of rows at ``indices``, given all rows' hashes.

    Rows are sorted by content, so it does not depend on ids, order, class numbering, or how they were selected.
    """
    return hashlib.sha256(b"".join(sorted(hashes[index] for index in indices))).hexdigest()


def _by_classes(dataset: Rows, names: Sequence[str]) -> Tensor:
    field = "select.classes"
    _check_given(field, names)
    position = {name: index for index, name in enumerate(dataset.classes)}
    for name in names:
        if name not in position:
            raise InvalidInputError(
                field, f"There is no class {_show(name)}.", _suggest(name, dataset.classes, "The classes are")
            )
        if not bool((dataset.labels == position[name]).any()):
            raise InvalidInputError(
                field, f"The class {_show(name)} has no images in this data set.", "Leave it out."
            )
    return torch.isin(dataset.labels, torch.tensor([position[name] for name in names]))


def _by_ids(dataset: Rows, ids: Sequence[str]) -> Tensor:
    field = "select.ids"
    _check_given(field, ids)
    position = {name: row for row, name in enumerate(dataset.ids)}
    unknown = [name for name in ids if name not in position]
    if unknown:
        raise InvalidInputError(
            field,
            f"{len(unknown)} of {len(ids)} ids are not in the data set: {_listing(unknown)}.",
            f"Ids look like {_listing(dataset.ids[:3])}.",
        )
    mask = torch.zeros(len(dataset), dtype=torch.bool)
    mask[torch.tensor([position[name] for name in ids])] = True
    return mask


def _by_where(dataset: Rows, where: Mapping[str, tuple[Any, ...]]) -> Tensor:
    field = "select.where"
    if not where:
        raise InvalidInputError(field, "The selection is empty.", "Name a metadata column and its values.")
    mask = torch.ones(len(dataset), dtype=torch.bool)
    for column, values in where.items():
        _check_given(f"{field}.{column}", values)
        if column not in dataset.metadata:
            raise InvalidInputError(
                field,
                f"There is no metadata column {_show(column)}.",
                _suggest(column, dataset.metadata, "The columns are"),
            )
        mask &= _column_mask(f"{field}.{column}", dataset.metadata[column], values)
    if not bool(mask.any()):
        raise InvalidInputError(
            field, "No row matches all these columns at once.", "Select by fewer columns or more values."
        )
    return mask


def _column_mask(field: str, column: Sequence[Any], values: Sequence[Any]) -> Tensor:
    keys = [_key(value) for value in column]
    occurring = set(keys)
    for value in values:
        if _key(value) not in occurring:
            examples = list(dict.fromkeys(column))
            raise InvalidInputError(
                field, f"The value {_show(value)} never occurs.", f"The column holds {_listing(examples)}."
            )
    wanted = {_key(value) for value in values}
    return torch.tensor([key in wanted for key in keys])


def _with_images(dataset: Rows, selection: Selection, mask: Tensor, there: Tensor) -> Tensor:
    lost = (mask & ~there).nonzero().flatten().tolist()
    if lost and _is_missed(dataset, selection, mask, there):
        raise RemovedError(
            "select.ids" if selection.ids is not None else "select",
            f"{len(lost)} of the {int(mask.sum())} images selected left the data set when they were deposited, "
            f"among them {_show(dataset.ids[lost[0]])}.",
            "Leave them out; to deposit them from another model, upload them again.",
        )
    return mask & there


def _is_missed(dataset: Rows, selection: Selection, mask: Tensor, there: Tensor) -> bool:
    """Whether removed rows cannot be passed over: each was named, or nothing of a named class would be left."""
    if selection.ids is not None:
        return True
    if selection.classes is None:
        return not bool((mask & there).any())
    left = set(dataset.labels[mask & there].tolist())
    return left != set(dataset.labels[mask].tolist())


def _whole_classes(dataset: Rows, mask: Tensor, there: Tensor) -> tuple[int, ...] | None:
    count = len(dataset.classes)
    chosen = torch.bincount(dataset.labels[mask], minlength=count)
    present = torch.bincount(dataset.labels[there], minlength=count)
    touched = chosen > 0
    if not torch.equal(chosen[touched], present[touched]):
        return None
    return tuple(touched.nonzero().flatten().tolist())


def _check_given(field: str, values: Sequence[Any]) -> None:
    if isinstance(values, str) or not values:
        raise InvalidInputError(field, "The selection is empty or one bare text.", "Give a list of values.")
    seen: set[Hashable] = set()
    for value in values:
        if not isinstance(value, str | int | float | bool | None):
            raise InvalidInputError(
                field, f"{_show(value)} is not a plain value.", "Give text, numbers, true/false or nothing."
            )
        if _key(value) in seen:
            raise InvalidInputError(field, f"{_show(value)} is given twice.", "Give every value once.")
        seen.add(_key(value))


def _key(value: Hashable) -> tuple[bool, Hashable]:
    """Equal for equal values, with true and 1 kept apart."""
    return isinstance(value, bool), value


def _suggest(name: str, known: Iterable[str], lead: str) -> str:
    names = list(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    listed = f"{lead} {_listing(names)}." if names else "The data set has none."
    return f"Did you mean {close[0]!r}? {listed}" if close else listed


def _listing(values: Sequence[Any]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(_show(value) for value in values[:_SHOWN]) + more


def _show(value: Any) -> str:
    return repr(value)[:80]
