"""Hypothesis strategies that damage files: bits, bytes, numbers, ranges, and pieces of other files."""

import struct
import zlib
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
"""Where counts, lengths and offsets tip over."""

WIDTHS = {1: "B", 2: "H", 4: "I", 8: "Q"}
MOST_EDITS = 5
LONGEST_RANGE = 4096
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"

Edit = Callable[[bytes, st.DrawFn, Sequence[bytes]], bytes]


def damaged(seeds: Sequence[bytes], tokens: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of ``seeds`` after up to MOST_EDITS edits; ``tokens`` are pieces that mean something in the format."""

    @st.composite
    def build(draw: st.DrawFn) -> bytes:
        data = draw(st.sampled_from(seeds))
        pieces = [*seeds, *tokens]
        for edit in draw(st.lists(st.sampled_from(EDITS), min_size=1, max_size=MOST_EDITS)):
            data = edit(data, draw, pieces)
        if data.startswith(PNG_MAGIC) and draw(st.booleans()):
            return with_right_checksums(data)
        return data

    return build()


def with_right_checksums(png: bytes) -> bytes:
    """Mend the checksum of every chunk, so that damage gets past it and reaches the decoder."""
    mended, rest = bytearray(PNG_MAGIC), png[len(PNG_MAGIC) :]
    while len(rest) >= 12:  # noqa: PLR2004  length, type and checksum of a chunk
        (length,) = struct.unpack(">I", rest[:4])
        body = rest[4 : 8 + length]
        mended += rest[:4] + body + struct.pack(">I", zlib.crc32(body))
        rest = rest[12 + length :]
    return bytes(mended) + rest


def _place(data: bytes, draw: st.DrawFn) -> int:
    return draw(st.integers(0, max(len(data) - 1, 0)))


def _flip(data: bytes, draw: st.DrawFn, _pieces: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at, bit = _place(data, draw), draw(st.integers(0, 7))
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def _number(data: bytes, draw: st.DrawFn, _pieces: Sequence[bytes]) -> bytes:
    at, width = _place(data, draw), draw(st.sampled_from(list(WIDTHS)))
    number = draw(st.sampled_from(NUMBERS)) % 256**width
    written = struct.pack(draw(st.sampled_from("<>")) + WIDTHS[width], number)
    return data[:at] + written + data[at + width :]


def _remove(data: bytes, draw: st.DrawFn, _pieces: Sequence[bytes]) -> bytes:
    at = _place(data, draw)
    return data[:at] + data[at + draw(st.integers(1, LONGEST_RANGE)) :]


def _repeat(data: bytes, draw: st.DrawFn, _pieces: Sequence[bytes]) -> bytes:
    at = _place(data, draw)
    return data[:at] + data[at : at + draw(st.integers(1, LONGEST_RANGE))] * 2 + data[at:]


def _insert(data: bytes, draw: st.DrawFn, _pieces: Sequence[bytes]) -> bytes:
    at = _place(data, draw)
    return data[:at] + draw(st.binary(min_size=1, max_size=32)) + data[at:]


def _splice(data: bytes, draw: st.DrawFn, pieces: Sequence[bytes]) -> bytes:
    at, piece = _place(data, draw), draw(st.sampled_from(pieces))
    start = _place(piece, draw)
    return data[:at] + piece[start : start + LONGEST_RANGE] + data[at:]


def _cut(data: bytes, draw: st.DrawFn, _pieces: Sequence[bytes]) -> bytes:
    return data[: _place(data, draw)]


EDITS: tuple[Edit, ...] = (_flip, _number, _remove, _repeat, _insert, _splice, _cut)
