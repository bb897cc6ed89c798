"""Content-addressed bytes in 1 MiB chunks: equal content is stored once, and a byte range reads only its chunks."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.db.models import (
    Artifact,
    ArtifactChunk,
    Dataset,
    Deposit,
    DepositModuleVersion,
    ModelVersion,
    utc_now,
)

CHUNK_BYTES = 1024 * 1024


def find(session: Session, digest: str) -> Artifact | None:
    return session.get(Artifact, digest)


def stage(session: Session, digest: str, size: int) -> bool:
    """Make room for an artifact; False if it is complete already. Either way it is safe from reaping for a while."""
    known = session.get(Artifact, digest)
    if known is None:
        session.add(Artifact(digest=digest, size=size))
        session.flush()
        return True
    known.created_at = utc_now()
    return not known.complete


def add_chunk(session: Session, digest: str, seq: int, data: bytes) -> None:
    """Add a chunk; one that is there already is the same, since the digest names the content."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    values = {"digest": digest, "seq": seq, "data": data}
    session.execute(insert(ArtifactChunk).values(**values).on_conflict_do_nothing())


def complete(session: Session, digest: str) -> None:
    session.get_one(Artifact, digest).complete = True


def read_chunks(session: Session, digest: str, first: int = 0, last: int | None = None) -> Iterator[bytes]:
    """Yield chunks ``first`` to ``last`` (both included) in order, one row in memory at a time."""
    statement = (
        select(ArtifactChunk.data)
        .where(ArtifactChunk.digest == digest, ArtifactChunk.seq >= first)
        .order_by(ArtifactChunk.seq)
        .execution_options(yield_per=8)
    )
    if last is not None:
        statement = statement.where(ArtifactChunk.seq <= last)
    yield from session.execute(statement).scalars()


def delete_unreferenced(
    session: Session, digests: set[str] | None = None, before: datetime | None = None
) -> int:
    """Delete artifacts that no data set, version, module or deposit names; only ``digests`` or older ones if given."""
    statement = delete(Artifact).where(
        *(~exists().where(column == Artifact.digest) for column in _REFERENCES)
    )
    if digests is not None:
        statement = statement.where(Artifact.digest.in_(digests))
    if before is not None:
        statement = statement.where(Artifact.created_at < before)
    doomed = session.scalars(statement.returning(Artifact.digest)).all()
    if doomed:
        session.execute(delete(ArtifactChunk).where(ArtifactChunk.digest.in_(doomed)))
    return len(doomed)


def named_among(session: Session, digests: set[str]) -> set[str]:
    """Those of ``digests`` that a module or a version names."""
    naming = (DepositModuleVersion.digest, ModelVersion.shallow_digest, ModelVersion.head_digest)
    found = (session.scalars(select(column).where(column.in_(digests))) for column in naming)
    return {digest for column in found for digest in column if digest is not None}


def data_keys_in_use(session: Session) -> set[str]:
    """Ids of the data keys that a module, a kept original or kept images name."""
    named = (DepositModuleVersion.key_id, ModelVersion.key_id, Deposit.images_key_id)
    return {key for column in named for key in session.scalars(select(column)) if key is not None}


_REFERENCES = (
    Dataset.pixels_digest,
    Dataset.index_digest,
    ModelVersion.shallow_digest,
    ModelVersion.deep_digest,
    ModelVersion.head_digest,
    DepositModuleVersion.digest,
    Deposit.images_digest,
)
