"""Which column of a Parquet file means what, in the Hugging Face image layout."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from app.lirf.errors import InvalidInputError

IMAGE_COLUMNS = ("img", "image")
ID_COLUMN = "id"
METADATA_KEY = b"huggingface"


@dataclass(frozen=True)
class Layout:
    """The roles of a file's columns, and the class names if the file states them.

    Attributes:
        image: column of encoded images: binary, or a struct with a binary field ``bytes``.
        label: column of integers or text.
        ids: column of row ids, if there is one.
        metadata: the other columns that hold one plain value per row.
        classes: class names in label order from the Hugging Face metadata, if given.
    """

    image: str
    label: str
    ids: str | None
    metadata: tuple[str, ...]
    classes: tuple[str, ...] | None

    @property
    def columns(self) -> list[str]:
        """Every column that is read, in no particular order."""
        return [self.image, self.label, *([self.ids] if self.ids else []), *self.metadata]


def find_layout(schema: pa.Schema, label: str) -> Layout:
    """The roles of the columns of ``schema``, where ``label`` names the column of labels.

    Raises:
        InvalidInputError: no image or label column, one of a wrong type, two columns of one name, or metadata
            that is not readable.
    """
    names = schema.names
    for name in names:
        if names.count(name) > 1:
            raise InvalidInputError(
                "dataset", f"The Parquet file has two columns named {name[:80]!r}.", "Rename one of them."
            )
    image = next((name for name in IMAGE_COLUMNS if name in names and name != label), None)
    if image is None:
        raise _missing("'img' or 'image'", names)
    if label not in names:
        raise _missing(repr(label), names)
    _check_type(schema, image, _is_image(schema.field(image).type), "binary, or struct{bytes, path}")
    _check_type(schema, label, _is_label(schema.field(label).type), "int64 or text")
    ids = ID_COLUMN if ID_COLUMN in names and label != ID_COLUMN else None
    if ids is not None:
        _check_type(schema, ids, _is_label(schema.field(ids).type), "text or int64")
    others = tuple(
        name for name in names if name not in {image, label, ids} and _is_scalar(schema.field(name).type)
    )
    return Layout(image, label, ids, others, class_names(schema.metadata or {}, label))


def class_names(metadata: Mapping[bytes, bytes], label: str) -> tuple[str, ...] | None:
    """The names of the class label feature ``label`` in the Hugging Face metadata, None if there are none.

    Both forms are understood: ``{"names": [...], "_type": "ClassLabel"}`` of the file format, and
    ``{"dtype": {"class_label": {"names": {"0": ...}}}}`` of data set cards.
    """
    text = metadata.get(METADATA_KEY)
    if text is None:
        return None
    try:
        feature = _feature(json.loads(text), label)
        names = feature.get("names")
        if isinstance(names, Mapping):
            names = [names[str(index)] for index in range(len(names))]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _bad_names(label, "cannot be read") from error
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _bad_names(label, "are not a list of texts")
    return tuple(names)


def write_metadata(classes: Sequence[str]) -> dict[bytes, bytes]:
    """Schema metadata that states the class names of ``label`` and the image type of ``img``."""
    features = {"img": {"_type": "Image"}, "label": {"names": list(classes), "_type": "ClassLabel"}}
    return {METADATA_KEY: json.dumps({"info": {"features": features}}).encode()}


def _feature(document: Any, label: str) -> dict[str, Any]:
    features = document.get("info", {}).get("features", {})
    if isinstance(features, list):
        features = {entry["name"]: entry for entry in features}
    feature = features.get(label) or {}
    for key in ("dtype", "class_label"):
        if isinstance(feature.get(key), dict):
            feature = feature[key]
    return dict(feature)


def _is_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _is_binary(kind.field(index).type)
    return _is_binary(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_label(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_scalar(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        _is_label(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
        or pa.types.is_date(kind)
        or pa.types.is_timestamp(kind)
        or pa.types.is_decimal(kind)
    )


def _check_type(schema: pa.Schema, name: str, right: bool, expected: str) -> None:  # noqa: FBT001
    if not right:
        raise InvalidInputError(
            f"dataset.{name}",
            f"The column {name!r} has type {str(schema.field(name).type)[:80]}.",
            f"Store it as {expected}.",
        )


def _missing(wanted: str, names: Sequence[str]) -> InvalidInputError:
    found = ", ".join(repr(name[:40]) for name in names[:20]) or "none"
    return InvalidInputError(
        "dataset",
        f"The Parquet file has no column {wanted}; it has {found}.",
        "Use the Hugging Face image layout: 'img' or 'image' with encoded images, 'label' with classes.",
    )


def _bad_names(label: str, what: str) -> InvalidInputError:
    return InvalidInputError(
        "dataset",
        f"The class names of {label!r} in the schema metadata 'huggingface' {what}.",
        'State them as info.features.<label>.names = ["first", "second", …], or remove the metadata.',
    )
