"""The commonest small file, with a tenth of the general reader's steps: a PNG of 8 bits and no chunk but the necessary.

Such a file has its parts at fixed places (PNG specification, third edition, sections 5.3 and 11.2), so that its pixels
can be given to Pillow's decoder at once, which writes them where NumPy reads them. For a small image the general
reader's walk, and making images of Pillow's, takes longer than the decoding.
"""

import struct
import threading
import zlib
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

MOST_PIXELS = 64 * 64
"""Beyond that decoding is what takes the time."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">8s I4s IIBBBBB I I4s")
_HEADER = slice(12, 29)
_CRC = struct.Struct(">I")
_END = b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"
_PLAIN = {(8, 0, 0, 0, 0): "L", (8, 2, 0, 0, 0): "RGB"}
"""Modes by bits, colour type, and methods of compression, filtering and interlacing."""

_SIZES = 8
"""Of canvases that a thread keeps, some 16 KiB each at most."""


class _Plain(NamedTuple):
    mode: str
    size: tuple[int, int]
    compressed: bytes


class _Canvas:
    """Memory of Pillow's that images of one size are decoded into, one after the other."""

    def __init__(self, mode: str, size: tuple[int, int]) -> None:
        self._image = Image.new(mode, size)
        self._all = (0, 0, *size)
        shared = pa.array(self._image)  # Arrow's interface of Pillow, which copies nothing
        memory = np.frombuffer((shared if mode == "L" else shared.values).buffers()[1], np.uint8)
        width, height = size
        self._pixels = memory.reshape(height, width, -1)[:, :, : len(mode)].transpose(2, 0, 1)

    def decoded(self, compressed: bytes) -> npt.NDArray[np.uint8]:
        self._image.paste(0, self._all)  # a stream that ends early leaves the pixels of the image before
        self._image.frombytes(compressed, "zip", self._image.mode, 0)
        return np.ascontiguousarray(self._pixels)


class _Canvases(threading.local):
    """Of each thread its own."""

    def __init__(self) -> None:
        self.of = lru_cache(_SIZES)(_Canvas)


_canvases = _Canvases()


def read_plain_png(data: bytes, max_pixels: int = MOST_PIXELS) -> npt.NDArray[np.uint8] | None:
    """Pixels [C, H, W] of a small file whose checksums are right; None for any other: others judge them."""
    found = _taken_apart(data)
    if found is None or not 0 < found.size[0] * found.size[1] <= min(max_pixels, MOST_PIXELS):
        return None
    try:
        return _canvases.of(found.mode, found.size).decoded(found.compressed)
    except Exception:  # noqa: BLE001  a decoder fed hostile bytes raises whatever it likes
        return None


def _taken_apart(data: bytes) -> _Plain | None:
    start, end = _HEAD.size, len(data) - len(_END) - _CRC.size
    if end < start or not data.endswith(_END):
        return None
    signature, header_size, header, width, height, *form, header_crc, size, body = _HEAD.unpack_from(data)
    mode = _PLAIN.get(tuple(form))
    if mode is None or (signature, header_size, header) != (_SIGNATURE, 13, b"IHDR"):
        return None
    if (body, size) != (b"IDAT", end - start) or header_crc != zlib.crc32(data[_HEADER]):
        return None
    if _CRC.unpack_from(data, end) != (zlib.crc32(data[start - len(body) : end]),):
        return None
    return _Plain(mode, (width, height), data[start:end])
