"""Data sets at rest: raw pixels, row after row, beside a small index, so that one row costs one or two chunks."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from app.db.repositories.artifacts import CHUNK_BYTES, read_chunks
from app.db.session import Session, Sessions
from app.lirf.data.dataset import ImageDataset
from app.lirf.data.selection import row_hashes
from app.vault import artifacts
from app.vault.artifacts import CorruptArtifactError

METADATA_PREFIX = "metadata."


@dataclass(frozen=True)
class DatasetIndex:
    """Everything about a data set but its pixels; what a selection needs.

    Attributes:
        labels: int64 [N], indices into ``classes``.
        ids: N distinct row names.
        classes: class names.
        metadata: further columns by name.
        row_hashes: per row the SHA-256 of its content, see `app.lirf.data.selection.row_hashes`.
        removed: bool [N], rows whose images have left with a deposit; their pixels are zero.
    """

    labels: Tensor
    ids: tuple[str, ...]
    classes: tuple[str, ...]
    metadata: Mapping[str, tuple[Any, ...]]
    row_hashes: tuple[bytes, ...]
    removed: Tensor

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class StoredDataset:
    """Where the two artifacts of a data set lie."""

    pixels_digest: str
    index_digest: str


def _index_of(dataset: ImageDataset) -> DatasetIndex:
    """The index of a data set in memory."""
    hashes = row_hashes(dataset)
    none = torch.zeros(len(dataset), dtype=torch.bool)
    return DatasetIndex(dataset.labels, dataset.ids, dataset.classes, dict(dataset.metadata), hashes, none)


def store(sessions: Sessions, dataset: ImageDataset) -> StoredDataset:
    pixels = dataset.images.contiguous().numpy().reshape(-1).data
    return StoredDataset(
        pixels_digest=artifacts.store(sessions, pixels),
        index_digest=artifacts.store(sessions, _encode(_index_of(dataset))),
    )


class OpenDataset:
    """A data set in one snapshot of the database: index and images belong together, whatever leaves it meanwhile.

    Args:
        session: the snapshot, in which the data set's row was read.
        stored: the artifacts that the row names.
        shape: C, H, W of its images.
    """

    def __init__(self, session: Session, stored: StoredDataset, shape: Sequence[int]) -> None:
        self._session = session
        self._stored = stored
        self._shape = tuple(shape)

    @cached_property
    def index(self) -> DatasetIndex:
        return _decode(artifacts.read(self._session, self._stored.index_digest))

    def images(self, rows: Sequence[int]) -> Tensor:
        """The images of ``rows`` in that order: uint8 [len(rows), C, H, W]; those that were removed are zero.

        Raises:
            CorruptArtifactError: if bytes are missing.
        """
        row_bytes = int(np.prod(self._shape))
        wanted = np.asarray(rows, dtype=np.int64)
        out = np.empty((len(wanted), row_bytes), dtype=np.uint8)
        filled = 0
        for first, last in _chunk_runs(wanted, row_bytes):
            pixels = np.frombuffer(self._chunks(first, last), dtype=np.uint8)
            starts = wanted * row_bytes - first * CHUNK_BYTES
            inside = np.flatnonzero((starts >= 0) & (starts + row_bytes <= len(pixels)))
            filled += len(inside)
            for position in inside:
                out[position] = pixels[starts[position] : starts[position] + row_bytes]
        if filled < len(wanted):
            raise CorruptArtifactError(f"artifact {self._stored.pixels_digest} lacks rows")
        return torch.from_numpy(out).reshape(len(wanted), *self._shape)

    def without_images(self, sessions: Sessions, rows: Tensor) -> StoredDataset:
        """Store the data set again with the pixels of some rows zero; the old artifacts stay until nothing names them.

        Args:
            sessions: where it is stored.
            rows: int64 [M], rows whose images are to go; they keep their id, label, hash and metadata.
        """
        removed = self.index.removed.clone()
        removed[rows] = True
        row_bytes = int(np.prod(self._shape))
        doomed = removed.numpy()

        def blanked(position: int, chunk: bytes) -> bytes:
            first, last = position // row_bytes, (position + len(chunk) - 1) // row_bytes
            if not doomed[first : last + 1].any():
                return chunk
            start = position - first * row_bytes
            zero = np.repeat(doomed[first : last + 1], row_bytes)[start : start + len(chunk)]
            pixels = np.frombuffer(chunk, dtype=np.uint8).copy()
            pixels[zero] = 0
            return pixels.tobytes()

        return StoredDataset(
            pixels_digest=artifacts.rewrite(sessions, self._session, self._stored.pixels_digest, blanked),
            index_digest=artifacts.store(sessions, _encode(replace(self.index, removed=removed))),
        )

    def _chunks(self, first: int, last: int) -> bytes:
        return b"".join(read_chunks(self._session, self._stored.pixels_digest, first, last))


def _chunk_runs(rows: np.ndarray[Any, np.dtype[np.int64]], row_bytes: int) -> list[tuple[int, int]]:
    """Runs of neighbouring chunks, each row wholly inside one run; long runs are cut to bound the memory."""
    runs: list[tuple[int, int]] = []
    longest = max(32, 2 * row_bytes // CHUNK_BYTES + 2)
    for row in np.unique(rows):
        first = int(row) * row_bytes // CHUNK_BYTES
        last = ((int(row) + 1) * row_bytes - 1) // CHUNK_BYTES
        if runs and first <= runs[-1][1] + 1 and last - runs[-1][0] < longest:
            runs[-1] = (runs[-1][0], max(last, runs[-1][1]))
        else:
            runs.append((first, last))
    return runs


def _encode(index: DatasetIndex) -> bytes:
    columns: dict[str, Any] = {
        "id": pa.array(index.ids, pa.string()),
        "label": pa.array(index.labels.numpy(), pa.int64()),
        "hash": pa.array(index.row_hashes, pa.binary(32)),
        "removed": pa.array(index.removed.numpy(), pa.bool_()),
    }
    for name, values in index.metadata.items():
        columns[METADATA_PREFIX + name] = pa.array([json.dumps(value) for value in values], pa.string())
    table = pa.table(columns).replace_schema_metadata({"classes": json.dumps(index.classes)})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _decode(data: bytes) -> DatasetIndex:
    table = pq.read_table(io.BytesIO(data))
    metadata = {
        name.removeprefix(METADATA_PREFIX): tuple(json.loads(value) for value in table[name].to_pylist())
        for name in table.column_names
        if name.startswith(METADATA_PREFIX)
    }
    return DatasetIndex(
        labels=torch.from_numpy(table["label"].to_numpy().copy()),
        ids=tuple(table["id"].to_pylist()),
        classes=tuple(json.loads(table.schema.metadata[b"classes"])),
        metadata=metadata,
        row_hashes=tuple(table["hash"].to_pylist()),
        removed=_removed(table),
    )


def _removed(table: pa.Table) -> Tensor:
    """Indexes that were written before images could leave have no such column."""
    if "removed" not in table.column_names:
        return torch.zeros(table.num_rows, dtype=torch.bool)
    return torch.from_numpy(table["removed"].to_numpy().copy())
