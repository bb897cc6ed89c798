"""Small files that would become large ones, and lies about sizes: each is sent once."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from security.fuzz.mutations import PNG_MAGIC

MILLION = 1_000_000
SMALL = 5000


def image_bombs() -> Iterator[tuple[str, bytes]]:
    yield "a PNG of 65,535 × 65,535 pixels", _png(65_535, 65_535, b"\0" * MILLION)
    yield "a PNG of 2,000 × 2,000 pixels, the most allowed", _png(2000, 2000, b"\0" * (2001 * 2000))
    yield "a PNG whose data unpack to more than its size", _png(8, 8, b"\0" * 200 * MILLION)
    yield (
        "a PNG whose text unpacks to 100 MB",
        _png(8, 8, b"\0" * 72, _chunk(b"zTXt", b"a\0\0" + zlib.compress(b"a" * 100 * MILLION))),
    )
    yield (
        "a PNG whose profile unpacks to 100 MB",
        _png(8, 8, b"\0" * 72, _chunk(b"iCCP", b"a\0\0" + zlib.compress(b"a" * 100 * MILLION))),
    )
    yield "a JPEG of 65,500 × 65,500 pixels", _jpeg_of(65_500, 65_500)
    yield "a JPEG with 1,000 scans", _jpeg_of(8, 8) + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 1000
    yield "an animation of 1,000 frames", _animation(1000)
    yield "8 MB of nothing", PNG_MAGIC + b"\0" * 8 * MILLION


def small_image_bombs() -> Iterator[tuple[str, bytes]]:
    """Images of which a thousand fit into one request."""
    yield from ((f"1,000 times {what}", image) for what, image in image_bombs() if len(image) < SMALL)


def tensor_bombs() -> Iterator[tuple[str, bytes]]:
    yield "a header of 2^63 bytes", struct.pack("<Q", 2**63) + b"{}"
    yield (
        "a header of 300,000 tensors",
        _tensors({f"t{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(300_000)}),
    )
    yield "a shape of 2^62", _tensors({"t": {"dtype": "F32", "shape": [0, 2**62], "data_offsets": [0, 0]}})
    yield (
        "a shape that overflows",
        _tensors({"t": {"dtype": "F32", "shape": [2**32, 2**32], "data_offsets": [0, 4]}}),
    )
    yield "a header nested 100,000 times", struct.pack("<Q", 200_000) + b"[" * 100_000 + b"]" * 100_000
    yield (
        "a pickle",
        b"\x80\x04\x95\x1b\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
    )


def parquet_bombs() -> Iterator[tuple[str, bytes]]:
    yield "one cell of 15 MB in 200,000 rows", _table({"img": _repeated(b"\0" * 15 * MILLION, 200_000)})
    yield (
        "one image of 4 MP in 20,000 rows",
        _table({"img": _repeated(_png(2000, 2000, b"\0" * (2001 * 2000)), 20_000)}),
    )
    yield (
        "an id of 10 MB in 100,000 rows",
        _table({"img": _repeated(b"\0", 100_000), "id": _repeated("a" * 10 * MILLION, 100_000)}),
    )
    yield (
        "10,000 columns",
        _table({"img": pa.array([b"\0"]), **{f"c{number}": pa.array([0]) for number in range(10_000)}}),
    )
    yield "10 million rows of nothing", _table({"img": pa.nulls(10 * MILLION, pa.binary())})


def archive_bombs() -> Iterator[tuple[str, bytes]]:
    yield "a member of 300 MB", _archive({"0/a.png": b"\0" * 300 * MILLION})
    yield "20 members of 16 MB", _archive({f"0/{n}.png": b"\0" * 16 * 1024**2 for n in range(20)})
    yield "a way out", _archive({"../../a.png": b"\0"})
    yield "an archive in an archive", _archive({"0/a.zip": _archive({"0/a.png": b"\0" * 10 * MILLION})})
    yield "210,000 members", _archive({f"0/{n}.png": b"" for n in range(210_000)})
    image = _png(2000, 2000, b"\0" * (2001 * 2000))
    yield "2,000 images of 4 MP", _archive({f"0/{n}.png": image for n in range(2000)})


def _png(width: int, height: int, raw: bytes, extra: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = _chunk(b"IDAT", zlib.compress(raw, 9))
    return PNG_MAGIC + _chunk(b"IHDR", header) + extra + data + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _jpeg_of(width: int, height: int) -> bytes:
    """An 8 × 8 JPEG whose frame header states another size."""
    sink = io.BytesIO()
    Image.new("L", (8, 8)).save(sink, "JPEG")
    data = bytearray(sink.getvalue())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _animation(frames: int) -> bytes:
    sink = io.BytesIO()
    pictures = [Image.fromarray(np.full((8, 8), number % 256, np.uint8)) for number in range(frames)]
    pictures[0].save(sink, "PNG", save_all=True, append_images=pictures[1:])
    return sink.getvalue()


def _tensors(header: object) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text


def _repeated(value: bytes | str, rows: int) -> pa.Array:
    """A column that says the same in every row, which a dictionary stores once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value]))


def _table(columns: dict[str, pa.Array]) -> bytes:
    rows = len(columns["img"])
    sink = io.BytesIO()
    table = pa.table({**columns, "label": pa.array(np.zeros(rows, np.int64))})
    pq.write_table(table, sink, compression="zstd", store_schema=False)
    return sink.getvalue()


def _archive(members: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()
