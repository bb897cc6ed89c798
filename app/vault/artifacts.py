"""Artifacts: bytes in, digest out, and back; whole, or any byte range without loading the rest."""

import hashlib
from collections.abc import Iterator

from app.db.repositories import artifacts
from app.db.repositories.artifacts import CHUNK_BYTES
from app.db.session import Sessions

CHUNKS_PER_TRANSACTION = 16


class CorruptArtifactError(Exception):
    """Stored bytes no longer match the digest that names them."""


def store(sessions: Sessions, data: bytes | memoryview) -> str:
    """Store ``data`` and return its SHA-256; equal content costs nothing.

    Chunks are written in transactions of their own, so that a large upload never holds the writer's lock for
    long; the artifact is complete with the last one, and until a row refers to it, it may be reaped.
    """
    view = memoryview(data)
    digest = hashlib.sha256(view).hexdigest()
    with sessions.write() as session:
        if not artifacts.stage(session, digest, len(view)):
            return digest
    seqs = range(0, max(len(view), 1), CHUNK_BYTES)
    for start in range(0, len(seqs), CHUNKS_PER_TRANSACTION):
        with sessions.write() as session:
            for seq in range(start, min(start + CHUNKS_PER_TRANSACTION, len(seqs))):
                piece = view[seq * CHUNK_BYTES : (seq + 1) * CHUNK_BYTES]
                artifacts.add_chunk(session, digest, seq, bytes(piece))
    with sessions.write() as session:
        artifacts.complete(session, digest)
    return digest


def load(sessions: Sessions, digest: str) -> bytes:
    """Return the whole artifact, checked against its digest.

    Raises:
        CorruptArtifactError: if bytes are missing or altered.
    """
    with sessions.read() as session:
        data = b"".join(artifacts.read_chunks(session, digest))
    if hashlib.sha256(data).hexdigest() != digest:
        raise CorruptArtifactError(f"artifact {digest} does not match its digest")
    return data


def load_chunks(sessions: Sessions, digest: str, first: int, last: int) -> Iterator[bytes]:
    """Yield chunks ``first`` to ``last`` (both included); each is CHUNK_BYTES long but the very last."""
    with sessions.read() as session:
        yield from artifacts.read_chunks(session, digest, first, last)
