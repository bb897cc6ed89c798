"""Data sets in Parquet files with the Hugging Face image layout, read batch by batch and written."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor

from app.lirf.data.dataset import ImageDataset
from app.lirf.data.images import encode_png
from app.lirf.data.parquet_layout import Layout, find_layout, write_metadata
from app.lirf.data.stack import MAX_DECODED_BYTES, ImageStack
from app.lirf.errors import InvalidInputError

MAX_ROWS = 2_000_000
MAX_CELL_BYTES = 16 * 1024**2
MAX_GROUP_BYTES = 1024**3
MAX_CLASSES = 100_000

_BATCH_BYTES = 32 * 1024**2
_BATCH_ROWS = 256
_ROW_GROUP_ROWS = 1000
_READ_BUFFER_BYTES = 4 * 1024**2


def read_parquet(
    source: bytes | Path | BinaryIO,
    *,
    label: str = "label",
    max_rows: int = MAX_ROWS,
    max_decoded_bytes: int = MAX_DECODED_BYTES,
    max_cell_bytes: int = MAX_CELL_BYTES,
) -> ImageDataset:
    """The data set of a Parquet file.

    Images come from the column ``img`` or ``image`` (binary, or struct{bytes, path}); labels from ``label``.
    The class names are those of the Hugging Face metadata; without them, text labels sorted, or for integer
    labels ``"0"`` to the largest. Row ids come from a column ``id``, else they are the row numbers. Every
    other column of plain values becomes metadata, dates and decimals as text; columns of lists, structs and
    bytes are left out.

    Args:
        source: the file's bytes, its path, or an open seekable file.
        label: name of the column of labels.
        max_rows: most rows that are read.
        max_decoded_bytes: most bytes of decoded pixels.
        max_cell_bytes: most bytes of one cell.

    Raises:
        InvalidInputError: the file is missing, damaged, too large, or not laid out like this.
    """
    with _refusals(), _open(source) as file:
        layout = find_layout(file.schema_arrow, label)
        rows = file.metadata.num_rows
        batch_rows = _check_size(file.metadata, max_rows)
        table: dict[str, list[Any]] = {name: [] for name in layout.columns if name != layout.image}
        with ImageStack(rows, max_bytes=max_decoded_bytes) as stack:
            start = 0
            for batch in file.iter_batches(batch_size=batch_rows, columns=layout.columns):
                batch.validate(full=True)
                cells = _cells(batch, layout.image, start, max_cell_bytes)
                stack.add(cells, [f"dataset.{layout.image}[{start + row}]" for row in range(len(cells))])
                for name, values in table.items():
                    values.extend(_plain(batch, name, start, max_cell_bytes))
                start += len(cells)
        _check_complete(rows, [start, *map(len, table.values())])
        return _assemble(stack.images(), table, layout)


def write_parquet(dataset: ImageDataset) -> bytes:
    """A Parquet file that ``read_parquet`` reads back to the same data set; images are PNG.

    Raises:
        InvalidInputError: a metadata column has the name of a layout column or mixes types.
    """
    fixed = {"id", "img", "label", "image"}
    for name in dataset.metadata:
        if name in fixed:
            raise InvalidInputError(
                f"dataset.metadata.{name}",
                f"The name {name!r} has a meaning of its own.",
                "Rename the column.",
            )
    with ThreadPoolExecutor() as pool:
        cells = list(pool.map(encode_png, dataset.images))
    columns = {
        "id": pa.array(dataset.ids, pa.string()),
        "img": pa.StructArray.from_arrays(
            [pa.array(cells, pa.binary()), pa.nulls(len(cells), pa.string())], names=["bytes", "path"]
        ),
        "label": pa.array(dataset.labels.numpy()),
    }
    for name, values in dataset.metadata.items():
        columns[name] = _column(name, values)
    buffer = io.BytesIO()
    table = pa.table(columns).replace_schema_metadata(write_metadata(dataset.classes))
    pq.write_table(
        table,
        buffer,
        row_group_size=_ROW_GROUP_ROWS,
        compression="zstd",
        use_dictionary=[name for name in columns if name != "img"],
        write_page_checksum=True,
    )
    return buffer.getvalue()


@contextmanager
def _refusals() -> Iterator[None]:
    """Whatever Arrow says about a damaged file, said in the caller's terms."""
    try:
        yield
    except InvalidInputError:
        raise
    except (
        pa.ArrowException,
        OSError,
        MemoryError,
        ValueError,
        LookupError,
        TypeError,
        OverflowError,
    ) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:160]
        raise InvalidInputError(
            "dataset",
            f"The Parquet file is damaged, cut short or of an unknown kind ({reason}).",
            "Write it again and upload the whole file.",
        ) from error


@contextmanager
def _open(source: bytes | Path | BinaryIO) -> Iterator[pq.ParquetFile]:
    if isinstance(source, Path) and not source.is_file():
        raise InvalidInputError(
            "dataset", f"There is no file {str(source)!r}.", "Give the path of a Parquet file."
        )
    where = pa.BufferReader(source) if isinstance(source, bytes) else source
    try:
        with pq.ParquetFile(
            where, buffer_size=_READ_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True
        ) as file:
            yield file
    finally:
        pa.default_memory_pool().release_unused()  # Arrow would keep what a large page took


def _check_size(metadata: pq.FileMetaData, max_rows: int) -> int:
    """Rows to read at once, so that a batch stays small even if every cell is as large as its row group.

    Column chunks would tell more, but pyarrow's accessor for them ends the process on some damaged footers.
    """
    if metadata.num_rows <= 0:
        raise InvalidInputError("dataset", "The Parquet file has no rows.", "Give at least one image.")
    if metadata.num_rows > max_rows:
        raise InvalidInputError(
            "dataset",
            f"The Parquet file has {metadata.num_rows:,} rows, more than the {max_rows:,} allowed.",
            "Upload a smaller file.",
        )
    largest = 1
    for number in range(metadata.num_row_groups):
        size = metadata.row_group(number).total_byte_size
        if not 0 < size <= MAX_GROUP_BYTES:
            raise InvalidInputError(
                "dataset",
                f"Row group {number} of the Parquet file takes {size:,} bytes, not 1 to {MAX_GROUP_BYTES:,}.",
                "Write the file with smaller row groups, for example of 1,000 rows.",
            )
        largest = max(largest, size)
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // largest))


def _check_complete(rows: int, found: list[int]) -> None:
    if any(count != rows for count in found):
        raise InvalidInputError(
            "dataset",
            f"The Parquet file states {rows:,} rows but holds {min(found):,}.",
            "Write it again and upload the whole file.",
        )


def _cells(batch: pa.RecordBatch, name: str, start: int, limit: int) -> list[bytes]:
    column = batch.column(name)
    if pa.types.is_struct(column.type):
        column = pc.struct_field(column, "bytes")
    _check_cells(
        column, name, start, limit, "Embed the encoded image in every row; a path alone is not enough."
    )
    cells: list[bytes] = column.to_pylist()
    return cells


def _plain(batch: pa.RecordBatch, name: str, start: int, limit: int) -> list[Any]:
    column = batch.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_temporal(column.type) or pa.types.is_decimal(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        _check_cells(column, name, start, limit, None)
    values: list[Any] = column.to_pylist()
    return values


def _check_cells(column: pa.Array, name: str, start: int, limit: int, null_remedy: str | None) -> None:
    if null_remedy is not None and column.null_count:
        raise _null(name, start + pc.index(column.is_null(), value=True).as_py(), null_remedy)
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    if longest > limit:
        row = start + pc.index(pc.greater(pc.binary_length(column), limit), value=True).as_py()
        raise InvalidInputError(
            f"dataset.{name}[{row}]",
            f"Row {row} of the column {name!r} holds {longest:,} bytes, more than the {limit:,} allowed.",
            "Store smaller values.",
        )


def _assemble(images: Tensor, table: dict[str, list[Any]], layout: Layout) -> ImageDataset:
    labels, classes = _labels(table[layout.label], layout)
    if layout.ids is None:
        ids = tuple(str(row) for row in range(len(images)))
    else:
        values = table[layout.ids]
        if None in values:
            raise _null(layout.ids, values.index(None), "Give every row an id, or leave the column out.")
        ids = tuple(str(value) for value in values)
    metadata = {name: tuple(table[name]) for name in layout.metadata}
    return ImageDataset(images, labels, ids, classes, metadata)


def _labels(values: list[Any], layout: Layout) -> tuple[Tensor, tuple[str, ...]]:
    """Labels int64 [N] and class names from a column of integers or text."""
    if None in values:
        raise _null(layout.label, values.index(None), "Give every row a label, or leave the row out.")
    if isinstance(values[0], str):
        classes = layout.classes or tuple(sorted(set(values)))
        position = {name: index for index, name in enumerate(classes)}
        for row, value in enumerate(values):
            if value not in position:
                raise _unnamed(layout, row, value, len(classes))
        return torch.tensor([position[value] for value in values]), classes
    count = len(layout.classes) if layout.classes else min(max(values) + 1, MAX_CLASSES)
    for row, value in enumerate(values):
        if not 0 <= value < count:
            raise _unnamed(layout, row, value, count)
    return torch.tensor(values), layout.classes or tuple(str(index) for index in range(count))


def _unnamed(layout: Layout, row: int, value: Any, count: int) -> InvalidInputError:
    return InvalidInputError(
        f"dataset.{layout.label}[{row}]",
        f"Row {row} of the column {layout.label!r} is {str(value)[:80]!r}, but there are {count} classes.",
        "Use labels 0, 1, 2, … that the class names cover, or one of the class names.",
    )


def _null(name: str, row: int, remedy: str) -> InvalidInputError:
    return InvalidInputError(f"dataset.{name}[{row}]", f"Row {row} of the column {name!r} is null.", remedy)


def _column(name: str, values: tuple[Any, ...]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        raise InvalidInputError(
            f"dataset.metadata.{name}",
            "The values of the column are of several types or too large.",
            "Use one type per column.",
        ) from error
