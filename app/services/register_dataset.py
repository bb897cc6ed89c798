"""Register a data set: an upload or a built-in one, checked whole at the door and stored as pixels and index."""

import io
from dataclasses import dataclass
from pathlib import Path

from app.db.models import Dataset
from app.db.repositories import datasets
from app.db.session import Session, Sessions
from app.domain.errors import Conflict, UnsupportedMedia
from app.domain.ledger import Decision
from app.domain.rights import Action, Caller, Role
from app.lirf.data.dataset import ImageDataset
from app.lirf.data.folders import read_zip
from app.lirf.data.parquet import read_parquet
from app.lirf.data.source import TORCHVISION, Split, open_source
from app.lirf.errors import InvalidInputError
from app.services.describe_rows import dataset_view
from app.services.find import find_dataset, require
from app.services.record_decision import record_decision
from app.services.views import DatasetView
from app.vault import datasets as dataset_store
from app.vault.datasets import StoredDataset

PARQUET_MAGIC = b"PAR1"
ZIP_MAGIC = b"PK"


@dataclass(frozen=True)
class PreparedDataset:
    """A data set whose pixels are stored; only its row is missing."""

    source: str
    images: ImageDataset
    stored: StoredDataset

    @property
    def digests(self) -> tuple[str, ...]:
        return (self.stored.pixels_digest, self.stored.index_digest)


def prepare_upload(sessions: Sessions, caller: Caller, data: bytes) -> PreparedDataset:
    """Decode and store an uploaded Parquet or ZIP file.

    Raises:
        Forbidden: the caller may not register data sets.
        UnsupportedMedia: neither Parquet nor ZIP.
        InvalidInputError: the file is damaged or not in the layout.
    """
    require(caller, Action.CREATE_DATASET)
    try:
        if data.startswith(PARQUET_MAGIC):
            return _store(sessions, "parquet", read_parquet(io.BytesIO(data)))
        if data.startswith(ZIP_MAGIC):
            return _store(sessions, "zip", read_zip(io.BytesIO(data)))
    except InvalidInputError as error:
        # the caller knows the data set as the part "file"; the problem itself says where in it the fault is
        raise InvalidInputError("file", error.problem, error.remedy) from error
    raise UnsupportedMedia(
        "The file is neither Parquet nor ZIP.",
        "Upload Parquet in the Hugging Face image layout, or a ZIP of class folders.",
        "file",
    )


def prepare_builtin(
    sessions: Sessions, caller: Caller, name: str, split: Split, folder: Path
) -> PreparedDataset:
    """Read and store a built-in data set: ``digits``, or CIFAR from the service's data set folder."""
    require(caller, Action.CREATE_DATASET)
    spec = f"{name}:{folder}" if name in TORCHVISION else name
    return _store(sessions, f"{name}/{split}", open_source(spec, split))


def register_dataset(session: Session, caller: Caller, name: str, prepared: PreparedDataset) -> DatasetView:
    """Give a prepared data set its name.

    Raises:
        Conflict: the name is taken.
    """
    if datasets.by_reference(session, name) is not None:
        raise Conflict(f"A data set {name!r} exists already.", "Choose another name.", "name")
    images = prepared.images
    row = Dataset(
        name=name,
        owner_id=caller.principal_id,
        source=prepared.source,
        rows=len(images),
        image_shape=list(images.shape),
        classes=list(images.classes),
        columns=list(images.metadata),
        pixels_digest=prepared.stored.pixels_digest,
        index_digest=prepared.stored.index_digest,
    )
    session.add(row)
    session.flush()
    facts = {"name": name, "source": row.source, "rows": row.rows}
    record_decision(session, caller, Decision.DATASET_REGISTERED, row.id, owner=row.owner_id, facts=facts)
    return dataset_view(row)


def list_datasets(sessions: Sessions, caller: Caller, limit: int, after: str | None) -> list[DatasetView]:
    """The caller's data sets; all of them for an admin."""
    owner = None if caller.role is Role.ADMIN else caller.principal_id
    with sessions.read() as session:
        return [dataset_view(row) for row in datasets.page(session, owner, limit, after)]


def show_dataset(sessions: Sessions, caller: Caller, reference: str) -> DatasetView:
    with sessions.read() as session:
        return dataset_view(find_dataset(session, caller, reference))


def _store(sessions: Sessions, source: str, images: ImageDataset) -> PreparedDataset:
    return PreparedDataset(source, images, dataset_store.store(sessions, images))
