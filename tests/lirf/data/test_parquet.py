import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.lirf.data.dataset import ImageDataset
from app.lirf.data.images import decode
from app.lirf.data.parquet import read_parquet, write_parquet
from app.lirf.errors import InvalidInputError


def written(columns: dict[str, Any], metadata: dict[bytes, bytes] | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), buffer, **options)
    return buffer.getvalue()


def features(label: object, name: str = "label") -> dict[bytes, bytes]:
    return {b"huggingface": json.dumps({"info": {"features": {name: label}}}).encode()}


@pytest.fixture
def cells(encode: Callable[..., bytes]) -> list[dict[str, bytes | None]]:
    return [{"bytes": encode(seed), "path": None} for seed in range(4)]


def refusal_of(data: bytes, **options: Any) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as refusal:
        read_parquet(data, **options)
    assert refusal.value.remedy
    return refusal.value


def test_a_written_data_set_reads_back_equal(dataset: ImageDataset) -> None:
    again = read_parquet(write_parquet(dataset))
    assert torch.equal(again.images, dataset.images)
    assert torch.equal(again.labels, dataset.labels)
    assert (again.ids, again.classes) == (dataset.ids, dataset.classes)
    assert dict(again.metadata) == dict(dataset.metadata)
    assert [type(values[0]) for values in again.metadata.values()] == [str, int, bool, float]


def test_grey_images_read_back_equal(dataset: ImageDataset) -> None:
    grey = replace(dataset, images=dataset.images[:, :1])
    assert torch.equal(read_parquet(write_parquet(grey)).images, grey.images)


def test_bytes_path_and_open_file_read_the_same(dataset: ImageDataset, tmp_path: Path) -> None:
    data = write_parquet(dataset)
    path = tmp_path / "set.parquet"
    path.write_bytes(data)
    with path.open("rb") as stream:
        sets = [read_parquet(data), read_parquet(path), read_parquet(stream)]
        assert not stream.closed
    assert all(torch.equal(found.images, dataset.images) for found in sets)


def test_many_row_groups_keep_their_order(encode: Callable[..., bytes]) -> None:
    cells = [{"bytes": encode(seed), "path": None} for seed in range(50)]
    found = read_parquet(written({"img": cells, "label": list(range(50))}, row_group_size=7))
    assert found.labels.tolist() == list(range(50))
    assert torch.equal(found.images, torch.stack([decode(cell["bytes"]) for cell in cells]))
    assert found.ids == tuple(str(row) for row in range(50))


def test_a_plain_binary_column_named_image_is_read(encode: Callable[..., bytes]) -> None:
    found = read_parquet(written({"image": [encode(0), encode(1)], "label": [1, 0]}))
    assert torch.equal(found.images[1], decode(encode(1)))
    assert found.classes == ("0", "1")


@pytest.mark.parametrize(
    "label",
    [
        {"_type": "ClassLabel", "names": ["ant", "bee"]},
        {"dtype": {"class_label": {"names": {"0": "ant", "1": "bee"}}}},
        {"class_label": {"names": ["ant", "bee"]}},
    ],
)
def test_class_names_come_from_either_class_label_form(cells: list[Any], label: object) -> None:
    assert read_parquet(written({"img": cells, "label": [0, 1, 1, 0]}, features(label))).classes == (
        "ant",
        "bee",
    )


def test_class_names_come_from_a_list_of_features(cells: list[Any]) -> None:
    entry = {"name": "label", "dtype": {"class_label": {"names": {"0": "ant", "1": "bee"}}}}
    metadata = {b"huggingface": json.dumps({"info": {"features": [entry]}}).encode()}
    assert read_parquet(written({"img": cells, "label": [0, 1, 1, 0]}, metadata)).classes == ("ant", "bee")


def test_text_labels_become_sorted_classes(cells: list[Any]) -> None:
    found = read_parquet(written({"img": cells, "label": ["fox", "ant", "fox", "bee"]}))
    assert found.classes == ("ant", "bee", "fox")
    assert found.labels.tolist() == [2, 0, 2, 1]


def test_integer_labels_keep_their_numbers(cells: list[Any]) -> None:
    found = read_parquet(written({"img": cells, "label": [3, 1, 3, 1]}))
    assert found.classes == ("0", "1", "2", "3")
    assert found.labels.tolist() == [3, 1, 3, 1]


def test_another_label_column_can_be_named(cells: list[Any]) -> None:
    columns = {"img": cells, "fine": [0, 1, 0, 1], "coarse": [0, 0, 1, 0]}
    found = read_parquet(written(columns, features({"names": ["x", "y"]}, "fine")), label="fine")
    assert found.classes == ("x", "y")
    assert found.metadata == {"coarse": (0, 0, 1, 0)}


def test_other_plain_columns_become_metadata(cells: list[Any]) -> None:
    day = pa.array([0, 1, None, 3], pa.int32()).cast(pa.date32())
    columns = {
        "img": cells,
        "label": [0, 1, 0, 1],
        "id": [10, 11, 12, 13],
        "owner": pa.array(["a", "b", "a", None]).dictionary_encode(),
        "day": day,
        "tags": [["x"], [], [], []],
        "thumb": [b"", b"", b"", b""],
    }
    found = read_parquet(written(columns))
    assert found.ids == ("10", "11", "12", "13")
    assert found.metadata == {
        "owner": ("a", "b", "a", None),
        "day": ("1970-01-01", "1970-01-02", None, "1970-01-04"),
    }


def test_missing_and_mistyped_columns_are_named(cells: list[Any]) -> None:
    assert "'img' or 'image'" in refusal_of(written({"picture": cells, "label": [0] * 4})).problem
    assert "no column 'label'" in refusal_of(written({"img": cells, "klass": [0] * 4})).problem
    assert refusal_of(written({"img": ["a"] * 4, "label": [0] * 4})).field == "dataset.img"
    assert refusal_of(written({"img": [{"path": "x"}] * 4, "label": [0] * 4})).field == "dataset.img"
    assert refusal_of(written({"img": cells, "label": [0.5] * 4})).field == "dataset.label"
    assert refusal_of(written({"img": cells, "label": [0] * 4, "id": [0.5] * 4})).field == "dataset.id"


def test_null_cells_are_named_by_row(cells: list[Any]) -> None:
    without_bytes = [*cells[:2], {"bytes": None, "path": "a.png"}, cells[3]]
    assert refusal_of(written({"img": without_bytes, "label": [0] * 4})).field == "dataset.img[2]"
    assert refusal_of(written({"img": [*cells[:3], None], "label": [0] * 4})).field == "dataset.img[3]"
    assert refusal_of(written({"img": cells, "label": [0, None, 0, 0]})).field == "dataset.label[1]"
    columns = {"img": cells, "label": [0] * 4, "id": ["a", "b", "c", None]}
    assert refusal_of(written(columns)).field == "dataset.id[3]"


def test_a_null_in_a_later_batch_is_named_by_its_row_in_the_file(cells: list[Any]) -> None:
    many = [*(cells * 20), None]
    assert refusal_of(written({"img": many, "label": [0] * 81}, row_group_size=10)).field == "dataset.img[80]"


def test_a_cell_that_is_no_image_is_named_by_row(cells: list[Any]) -> None:
    columns = {"img": [*cells[:3], {"bytes": b"hello", "path": None}], "label": [0] * 4}
    assert refusal_of(written(columns)).field == "dataset.img[3]"


def test_images_of_two_sizes_are_named_by_row(cells: list[Any], encode: Callable[..., bytes]) -> None:
    columns = {"img": [*cells[:3], {"bytes": encode(9, size=(3, 3)), "path": None}], "label": [0] * 4}
    assert refusal_of(written(columns)).field == "dataset.img[3]"


@pytest.mark.parametrize("label", [-1, 2, 2**40])
def test_labels_outside_the_named_classes_are_refused(cells: list[Any], label: int) -> None:
    data = written({"img": cells, "label": [0, 1, label, 0]}, features({"names": ["ant", "bee"]}))
    assert refusal_of(data).field == "dataset.label[2]"


def test_absurd_integer_labels_do_not_make_absurdly_many_classes(cells: list[Any]) -> None:
    assert refusal_of(written({"img": cells, "label": [0, 2**60, 0, 0]})).field == "dataset.label[1]"


def test_repeated_ids_are_refused(cells: list[Any]) -> None:
    columns = {"img": cells, "label": [0] * 4, "id": ["a", "b", "a", "c"]}
    assert "Rows 0 and 2" in refusal_of(written(columns)).problem


@pytest.mark.parametrize(
    "text",
    [
        b"not json",
        b"\xff",
        b"[]",
        b'{"info": []}',
        b"[" * 5000,
        json.dumps({"info": {"features": {"label": {"names": [1, 2]}}}}).encode(),
        json.dumps({"info": {"features": {"label": {"names": {"1": "a"}}}}}).encode(),
        json.dumps({"info": {"features": {"label": "x"}}}).encode(),
    ],
)
def test_unreadable_class_names_are_refused(cells: list[Any], text: bytes) -> None:
    assert (
        "huggingface" in refusal_of(written({"img": cells, "label": [0] * 4}, {b"huggingface": text})).problem
    )


def test_caps_on_rows_pixels_and_cells_hold(cells: list[Any]) -> None:
    data = written({"img": cells, "label": [0] * 4})
    assert "4 rows" in refusal_of(data, max_rows=3).problem
    assert "288 bytes decoded" in refusal_of(data, max_decoded_bytes=287).problem
    assert refusal_of(data, max_cell_bytes=100).field == "dataset.img[0]"


def test_long_metadata_text_is_refused(cells: list[Any]) -> None:
    columns = {"img": cells, "label": [0] * 4, "note": ["", "x" * 10_000, "", ""]}
    assert refusal_of(written(columns), max_cell_bytes=9_999).field == "dataset.note[1]"


def test_one_large_cell_repeated_in_every_row_does_not_fill_the_memory() -> None:
    bomb = b"\x89PNG\r\n\x1a\n" + bytes(15 * 1024**2)
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 500), pa.array([bomb], pa.binary()))
    data = written(
        {"img": column, "label": [0] * 500},
        compression="zstd",
        store_schema=False,
        dictionary_pagesize_limit=64 * 1024**2,
    )
    assert len(data) < 64 * 1024
    assert refusal_of(data).field == "dataset.img[0]"
    assert pa.default_memory_pool().max_memory() < 512 * 1024**2


def test_an_empty_table_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    empty = written({"img": pa.array([], pa.binary()), "label": pa.array([], pa.int64())})
    assert "no rows" in refusal_of(empty).problem
    with pytest.raises(InvalidInputError, match=r"no file .*absent\.parquet"):
        read_parquet(tmp_path / "absent.parquet")


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1PAR1", b"\0" * 100, b"PAR1" + b"\xff" * 100 + b"PAR1"])
def test_what_is_no_parquet_file_is_refused(data: bytes) -> None:
    assert refusal_of(data).field == "dataset"


def test_a_metadata_column_that_parquet_cannot_hold_is_refused(dataset: ImageDataset) -> None:
    for values in ((1, "a", 2, 3, 4, 5, 6, 7), (2**70,) * 8):
        with pytest.raises(InvalidInputError) as refusal:
            write_parquet(replace(dataset, metadata={"mixed": values}))
        assert refusal.value.field == "dataset.metadata.mixed"
    with pytest.raises(InvalidInputError, match="meaning of its own"):
        write_parquet(replace(dataset, metadata={"label": ("a",) * 8}))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_read_or_refused_and_nothing_else(
    dataset: ImageDataset, data: st.DataObject
) -> None:
    whole = write_parquet(dataset)
    damaged = bytearray(whole)
    for position in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=6)):
        damaged[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([0, 1, 8, len(whole) // 2, len(whole) - 12]))
    try:
        found = read_parquet(bytes(damaged[: len(whole) - cut]))
    except InvalidInputError:
        return
    assert cut == 0
    assert len(found) == len(dataset)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_footers_are_read_or_refused_and_nothing_else(
    dataset: ImageDataset, data: st.DataObject
) -> None:
    whole = write_parquet(dataset)
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    damaged = bytearray(whole)
    for position in data.draw(st.lists(st.integers(1, footer), min_size=1, max_size=3)):
        damaged[-position] = data.draw(st.integers(0, 255))
    try:
        read_parquet(bytes(damaged))
    except InvalidInputError as refusal:
        assert refusal.remedy  # noqa: PT017


def test_cifar10_test_images_are_read_whole(cifar10: Path) -> None:
    started = time.monotonic()
    found = read_parquet(cifar10 / "test.parquet")
    assert time.monotonic() - started < 10
    assert len(found) == 10_000
    assert found.shape == (3, 32, 32)
    assert found.classes[:2] == ("airplane", "automobile")
    assert torch.bincount(found.labels).tolist() == [1000] * 10
