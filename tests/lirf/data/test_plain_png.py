"""A plain PNG is read as the general reader reads it; every other file is left to that."""

import io
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.lirf.data.plain_png import MOST_PIXELS, read_plain_png


def some_image(mode: str, width: int, height: int, seed: int = 0) -> Image.Image:
    shape = (height, width) if mode == "L" else (height, width, len(mode))
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8), mode)


def png(image: Image.Image, **options: object) -> bytes:
    sink = io.BytesIO()
    image.save(sink, "PNG", **options)
    return sink.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def assert_read(found: npt.NDArray[np.uint8] | None, data: bytes) -> None:
    """As [C, H, W], what Pillow reads."""
    expected = np.asarray(Image.open(io.BytesIO(data)))
    assert found is not None
    assert np.array_equal(found, np.atleast_3d(expected).transpose(2, 0, 1))


PLAIN = png(some_image("RGB", 8, 8))
COMMENT = PngInfo()
COMMENT.add_text("Comment", "words")


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("size", [(1, 1), (32, 32), (7, 13), (64, 64)])
@pytest.mark.parametrize("level", [0, 9])
def test_its_pixels_are_those_of_the_general_reader(mode: str, size: tuple[int, int], level: int) -> None:
    data = png(some_image(mode, *size), compress_level=level)
    assert_read(read_plain_png(data), data)


@pytest.mark.parametrize("kind", range(5))
def test_every_filter_of_a_row_is_undone(kind: int) -> None:
    rows = np.random.default_rng(kind).integers(0, 256, (4, 1 + 3 * 5), dtype=np.uint8)
    rows[:, 0] = kind
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 5, 4, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows.tobytes())) + chunk(b"IEND", b"")
    assert_read(read_plain_png(data), data)


def test_nothing_of_the_image_before_shows_where_a_stream_ends_early() -> None:
    short = PLAIN[:33] + chunk(b"IDAT", zlib.compress(b"\0" + b"\xc8" * 24)) + chunk(b"IEND", b"")
    assert_read(read_plain_png(PLAIN), PLAIN)
    found = read_plain_png(short)
    assert found is not None
    assert (found[:, 0] == 200).all()
    assert (found[:, 1:] == 0).all()


def test_an_image_stays_as_it_was_when_the_next_is_read() -> None:
    first, second = png(some_image("RGB", 8, 8, seed=1)), png(some_image("RGB", 8, 8, seed=2))
    found = read_plain_png(first)
    assert_read(read_plain_png(second), second)
    assert_read(found, first)


def test_threads_that_read_at_the_same_time_do_not_share_memory() -> None:
    files = [png(some_image("RGB", 32, 32, seed=seed)) for seed in range(4)]

    def read_often(data: bytes) -> None:
        for _ in range(200):
            assert_read(read_plain_png(data), data)

    with ThreadPoolExecutor(len(files)) as pool:
        list(pool.map(read_often, files))


def altered(place: int) -> bytes:
    return PLAIN[:place] + bytes([PLAIN[place] ^ 1]) + PLAIN[place + 1 :]


OTHERS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "a JPEG's beginning": lambda: b"\xff\xd8\xff" + PLAIN[3:],
    "alpha": lambda: png(some_image("RGBA", 8, 8)),
    "a palette": lambda: png(some_image("RGB", 8, 8).convert("P")),
    "one bit": lambda: png(some_image("L", 8, 8).convert("1")),
    "16 bits": lambda: png(Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8))),
    "a comment": lambda: png(some_image("RGB", 8, 8), pnginfo=COMMENT),
    "transparency": lambda: png(some_image("RGB", 8, 8), transparency=(1, 2, 3)),
    "a damaged header": lambda: altered(20),
    "a damaged checksum of the header": lambda: altered(30),
    "damaged pixels": lambda: altered(60),
    "a damaged checksum of the pixels": lambda: altered(len(PLAIN) - 14),
    "a damaged end": lambda: altered(len(PLAIN) - 1),
    "an end cut off": lambda: PLAIN[:-12],
    "pixels cut short": lambda: PLAIN[:60] + PLAIN[-16:],
    "more behind the end": lambda: PLAIN + PLAIN[-12:],
    "too few pixels": lambda: PLAIN[:33] + chunk(b"IDAT", zlib.compress(b"\0" * 10)) + chunk(b"IEND", b""),
    "no stream of zlib": lambda: PLAIN[:33] + chunk(b"IDAT", b"words") + chunk(b"IEND", b""),
    "more pixels than are worth it": lambda: png(some_image("L", MOST_PIXELS // 64 + 1, 64)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_file_is_left_to_the_general_reader(name: str) -> None:
    assert read_plain_png(OTHERS[name]()) is None


def test_an_image_of_more_pixels_than_are_allowed_is_left_to_the_general_reader() -> None:
    assert read_plain_png(PLAIN, max_pixels=63) is None
    assert read_plain_png(PLAIN, max_pixels=64) is not None
