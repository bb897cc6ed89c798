"""Artifacts: bytes in, digest out, and back."""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from app.db.repositories import artifacts
from app.db.repositories.artifacts import CHUNK_BYTES
from app.db.session import Session, Sessions

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
    pieces = (view[start : start + CHUNK_BYTES] for start in range(0, max(len(view), 1), CHUNK_BYTES))
    _write(sessions, digest, map(bytes, pieces))
    return digest


def store_sealed(sessions: Sessions, chunks: Iterable[bytes], size: int) -> str:
    """Store sealed chunks that open to ``size`` bytes; a name by chance, since equal content must not show."""
    name = secrets.token_hex(32)
    with sessions.write() as session:
        artifacts.stage(session, name, size)
    _write(sessions, name, chunks)
    return name


def rewrite(sessions: Sessions, session: Session, digest: str, change: Callable[[int, bytes], bytes]) -> str:
    """Store an artifact anew with each chunk changed, one of them in memory at a time; the new digest.

    Args:
        sessions: the database.
        session: a snapshot of it that holds the artifact, which stays.
        digest: of the artifact.
        change: given the position of a chunk's first byte and the chunk, returns as many bytes; it is called twice for
            every chunk, since the digest must be known before the first is written.
    """

    def changed() -> Iterator[bytes]:
        position = 0
        for chunk in artifacts.read_chunks(session, digest):
            yield change(position, chunk)
            position += len(chunk)

    hashed, size = hashlib.sha256(), 0
    for chunk in changed():
        hashed.update(chunk)
        size += len(chunk)
    name = hashed.hexdigest()
    with sessions.write() as writing:
        if not artifacts.stage(writing, name, size):
            return name
    _write(sessions, name, changed())
    return name


def load(sessions: Sessions, digest: str) -> bytes:
    """Return the whole artifact, checked against its digest.

    Raises:
        CorruptArtifactError: if bytes are missing or altered.
    """
    with sessions.read() as session:
        return read(session, digest)


def read(session: Session, digest: str) -> bytes:
    """`load` in a snapshot."""
    data = b"".join(artifacts.read_chunks(session, digest))
    if hashlib.sha256(data).hexdigest() != digest:
        raise CorruptArtifactError(f"artifact {digest} does not match its digest")
    return data


def _write(sessions: Sessions, name: str, chunks: Iterable[bytes]) -> None:
    pieces, written = enumerate(chunks), True
    while written:
        with sessions.write() as session:
            written = False
            for seq, piece in islice(pieces, CHUNKS_PER_TRANSACTION):
                artifacts.add_chunk(session, name, seq, piece)
                written = True
            if not written:
                artifacts.complete(session, name)
