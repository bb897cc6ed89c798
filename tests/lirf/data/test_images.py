import io
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.lirf.data.images import decode, encode_png, fit
from app.lirf.errors import InvalidInputError


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    data = b"IDAT" + zlib.compress(b"")
    return (
        b"\x89PNG\r\n\x1a\n"
        + body
        + struct.pack(">I", len(data) - 4)
        + data
        + struct.pack(">I", zlib.crc32(data))
    )


GRADIENT = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3) * 3


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_lossless_files_decode_to_their_exact_pixels(kind: str) -> None:
    image = decode(saved(Image.fromarray(GRADIENT), kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert image.dtype == torch.uint8
    assert image.shape == (3, 6, 4)
    assert torch.equal(image, torch.from_numpy(GRADIENT).permute(2, 0, 1))


def test_a_jpeg_decodes_to_nearly_its_pixels() -> None:
    flat = np.full((16, 16, 3), (200, 30, 90), dtype=np.uint8)
    image = decode(saved(Image.fromarray(flat), "JPEG", quality=95))
    assert image.shape == (3, 16, 16)
    assert (image.float().mean((1, 2)) - torch.tensor([200.0, 30.0, 90.0])).abs().max() < 4


def test_grey_stays_one_channel() -> None:
    image = decode(saved(Image.fromarray(GRADIENT[:, :, 0])))
    assert torch.equal(image, torch.from_numpy(GRADIENT[:, :, 0]).unsqueeze(0))


def test_sixteen_bit_grey_keeps_its_range() -> None:
    deep = np.array([[0, 128, 129, 257, 32768, 65535]], dtype=np.uint16)
    assert decode(saved(Image.fromarray(deep))).flatten().tolist() == [0, 0, 1, 1, 128, 255]


def test_one_bit_and_grey_with_alpha_become_grey() -> None:
    grey = Image.fromarray(GRADIENT[:, :, 0])
    assert set(decode(saved(grey.convert("1"))).flatten().tolist()) <= {0, 255}
    assert torch.equal(decode(saved(grey.convert("LA"))), decode(saved(grey)))


def test_alpha_is_dropped_and_colours_are_kept() -> None:
    alpha = np.full((6, 4, 1), 17, dtype=np.uint8)
    image = decode(saved(Image.fromarray(np.concatenate([GRADIENT, alpha], axis=2))))
    assert torch.equal(image, torch.from_numpy(GRADIENT).permute(2, 0, 1))


def test_a_palette_with_transparency_becomes_rgb() -> None:
    palette = Image.fromarray(GRADIENT).quantize(8)
    image = decode(saved(palette, transparency=bytes([0, 255, 10])))
    assert torch.equal(image, torch.from_numpy(np.array(palette.convert("RGB"))).permute(2, 0, 1))


def test_cmyk_becomes_rgb() -> None:
    assert decode(saved(Image.new("CMYK", (4, 4), (0, 0, 0, 0)), "JPEG")).float().mean() > 250


def test_the_exif_orientation_is_ignored() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(saved(Image.fromarray(GRADIENT), exif=exif)).shape == (3, 6, 4)


@pytest.mark.parametrize("size", [(3000, 2000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_a_huge_picture_is_refused_before_its_pixels_are_loaded(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidInputError, match=r"more than the 4,000,000 allowed") as refusal:
        decode(png_header(*size), field="dataset.img[3]")
    assert refusal.value.field == "dataset.img[3]"


def test_a_huge_webp_canvas_is_refused() -> None:
    side = (60_000 - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + side + side
    with pytest.raises(InvalidInputError):
        decode(b"RIFF" + struct.pack("<I", len(body)) + body)


def test_an_animation_is_refused() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for kind in ("PNG", "WEBP"):
        with pytest.raises(InvalidInputError, match="animated"):
            decode(saved(frames[0], kind, save_all=True, append_images=frames[1:]))


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="scans"):
        decode(saved(Image.fromarray(GRADIENT), "JPEG") + b"\xff\xda" * 100)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(InvalidInputError, match="not a PNG, JPEG or WebP"):
        decode(saved(Image.fromarray(GRADIENT), kind))


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"GARBAGE"]
)
def test_a_bare_signature_is_no_image(data: bytes) -> None:
    with pytest.raises(InvalidInputError):
        decode(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_truncated_file_is_refused(kind: str) -> None:
    data = saved(
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)), kind
    )
    with pytest.raises(InvalidInputError, match="damaged or cut short"):
        decode(data[: len(data) // 2])


@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP"]),
    cut=st.integers(0, 400),
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
)
def test_damaged_bytes_are_decoded_or_refused_and_nothing_else(
    kind: str, cut: int, edits: list[tuple[int, int]]
) -> None:
    data = bytearray(saved(Image.fromarray(GRADIENT), kind))
    for position, value in edits:
        data[position % len(data)] = value
    try:
        image = decode(bytes(data[: max(0, len(data) - cut)]) if cut % 2 else bytes(data))
    except InvalidInputError:
        return
    assert image.dtype == torch.uint8
    assert image.shape[0] in {1, 3}


@pytest.mark.parametrize("channels", [1, 3])
def test_encoding_and_decoding_gives_the_same_image(channels: int) -> None:
    image = torch.randint(0, 256, (channels, 5, 7), dtype=torch.uint8)
    assert torch.equal(decode(encode_png(image)), image)


def test_fit_returns_a_fitting_image_unchanged() -> None:
    image = torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8)
    assert fit(image, 3, 5, 7) is image


def test_fit_replicates_grey() -> None:
    image = torch.randint(0, 256, (2, 1, 5, 7), dtype=torch.uint8)
    fitted = fit(image, 3, 5, 7)
    assert fitted.shape == (2, 3, 5, 7)
    assert all(torch.equal(fitted[:, channel], image[:, 0]) for channel in range(3))


def test_fit_makes_grey_as_pillow_does() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    grey = fit(torch.from_numpy(pixels).permute(2, 0, 1), 1, 64, 64)
    assert np.array_equal(grey[0].numpy(), np.array(Image.fromarray(pixels).convert("L")))


@pytest.mark.parametrize("shape", [(3, 8, 7), (3, 5, 32), (2, 5, 7), (5, 7)])
def test_fit_never_resizes_and_names_both_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        fit(torch.zeros(shape, dtype=torch.uint8), 3, 5, 7)
    assert " × ".join(map(str, shape)) in refusal.value.problem
    assert "3 × 5 × 7" in refusal.value.problem
