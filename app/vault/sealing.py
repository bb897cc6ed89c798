"""Bytes under AES-256-GCM in chunks, each bound to what it belongs to and to its place.

Every sealed thing has a data key of its own, so a chunk's number is nonce enough (NIST SP 800-38D, 8.2.1). The
additional data of a chunk names the thing, the chunk, and how many there are: a chunk that is altered, moved, taken
from another thing, or left out does not open.
"""

import secrets
import struct
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
TAG_BYTES = 16
SEALED_CHUNK_BYTES = 1024 * 1024
PLAIN_CHUNK_BYTES = SEALED_CHUNK_BYTES - TAG_BYTES
"""A sealed chunk fills a row of the artifact store, its tag included."""

Buffer: TypeAlias = bytes | bytearray | memoryview

_FORMAT = b"lirf-seal-1"
_NONCE_BYTES = 12


class TamperedError(Exception):
    """Sealed bytes are not those that were sealed under this key and label."""


@dataclass(frozen=True)
class Label:
    """What sealed bytes belong to; they open under the very same label alone.

    Attributes:
        tenant: whom the knowledge belongs to.
        deposit: the deposit's id.
        version: of the deposit's module.
        kind: what of the deposit this is, such as ``module``.
    """

    tenant: str
    deposit: str
    version: int
    kind: str

    def encoded(self) -> bytes:
        """Without ambiguity: every field after its length."""
        fields = [str(field).encode() for field in astuple(self)]
        return _FORMAT + b"".join(struct.pack(">I", len(field)) + field for field in fields)


def new_data_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def chunk_count(size: int) -> int:
    """How many chunks ``size`` plain bytes are sealed in; nothing is one empty chunk, so that it has a tag too."""
    return max(1, -(-size // PLAIN_CHUNK_BYTES))


def seal(pieces: Iterable[Buffer], size: int, key: bytes, label: Label) -> Iterator[bytes]:
    """Yield the sealed chunks of some plain bytes one by one.

    Args:
        pieces: the plain bytes, in pieces of any length.
        size: how many they are.
        key: `KEY_BYTES` from `new_data_key`, for this label and no other.
        label: what the bytes belong to.

    Raises:
        ValueError: if the pieces are not ``size`` bytes.
    """
    cipher, count, seen = AESGCM(key), chunk_count(size), 0
    for seq, chunk in enumerate(_chunks(pieces)):
        seen += len(chunk)
        yield cipher.encrypt(_nonce(seq), chunk, _place(label, seq, count, size))
    if seen != size:
        raise ValueError(f"{seen} bytes were sealed and {size} were told")


def unseal(chunks: Iterable[bytes], size: int, key: bytes, label: Label) -> bytearray:
    """The ``size`` plain bytes that were sealed in ``chunks``; nothing is handed out before all of them opened.

    Raises:
        TamperedError: if a chunk is altered, moved, foreign, missing or one too many, or key, label or size differ.
    """
    cipher, count = AESGCM(key), chunk_count(size)
    plain, seq = bytearray(size), 0
    view = memoryview(plain)
    for chunk in chunks:
        room = view[seq * PLAIN_CHUNK_BYTES : (seq + 1) * PLAIN_CHUNK_BYTES]
        if seq >= count or len(chunk) != len(room) + TAG_BYTES:
            raise TamperedError(f"chunk {seq} of {label.kind} of {label.deposit} is not as long as it was")
        try:
            cipher.decrypt_into(_nonce(seq), chunk, _place(label, seq, count, size), room)
        except InvalidTag as error:
            raise TamperedError(f"chunk {seq} of {label.kind} of {label.deposit} does not open") from error
        seq += 1
    if seq != count:
        raise TamperedError(f"{label.kind} of {label.deposit} has {seq} of {count} chunks")
    return plain


def _chunks(pieces: Iterable[Buffer]) -> Iterator[memoryview]:
    """The same bytes by `PLAIN_CHUNK_BYTES`, the last piece shorter; each is valid until the next is asked for."""
    room, filled, any_yet = bytearray(PLAIN_CHUNK_BYTES), 0, False
    for piece in pieces:
        view = memoryview(piece).cast("B")
        while len(view):
            taken = view[: PLAIN_CHUNK_BYTES - filled]
            room[filled : filled + len(taken)] = taken
            view, filled = view[len(taken) :], filled + len(taken)
            if filled == PLAIN_CHUNK_BYTES:
                yield memoryview(room)
                filled, any_yet = 0, True
    if filled or not any_yet:
        yield memoryview(room)[:filled]


def _nonce(seq: int) -> bytes:
    return seq.to_bytes(_NONCE_BYTES, "big")


def _place(label: Label, seq: int, count: int, size: int) -> bytes:
    return label.encoded() + struct.pack(">QQQ", seq, count, size)
