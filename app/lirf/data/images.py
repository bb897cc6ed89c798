"""One encoded image to its pixels, and pixels to the shape a network takes."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from torch import Tensor

from app.lirf.data.plain_png import read_plain_png
from app.lirf.errors import InvalidInputError

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""[..., C, H, W] from 0 to 255."""

MAX_PIXELS = 4_000_000
MAX_JPEG_SCANS = 64

_FORMATS = "Send a PNG, JPEG or WebP file."
_CODEC_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    Image.DecompressionBombError,
    struct.error,
    zlib.error,
)
_LUMA = (19595, 38470, 7471)
_LUMA_SCALE = 1 << 16


def decode(data: bytes, *, field: str = "image", max_pixels: int = MAX_PIXELS) -> Tensor:
    """`decode_pixels` as a tensor."""
    return torch.from_numpy(np.array(decode_pixels(data, field=field, max_pixels=max_pixels)))


def decode_pixels(data: bytes, *, field: str = "image", max_pixels: int = MAX_PIXELS) -> Pixels:
    """The pixels of a PNG, JPEG or WebP file, uint8 [C, H, W], with C = 1 (grey) or 3 (RGB).

    The size is read from the header and checked before any pixel is loaded. One-bit and 16-bit grey become
    8-bit grey, palettes and CMYK become RGB, an alpha channel is dropped as torchvision's ``ImageFolder``
    drops it. An EXIF orientation is ignored, as in ``ImageFolder``: rotate such photographs before uploading.
    Safe to call from several threads.

    Raises:
        InvalidInputError: another format, more than ``max_pixels`` pixels, several frames, or damaged data.
    """
    plain = read_plain_png(data, max_pixels)
    if plain is not None:
        return plain
    open_file = _opener(data, field)
    try:
        with open_file(io.BytesIO(data)) as image:
            _check_header(image, data, field, max_pixels)
            image.load()
            pixels = _to_pixels(image)
    except InvalidInputError:
        raise
    except (
        Exception
    ) as error:  # a codec fed hostile bytes raises whatever it likes, warnings as errors included
        raise InvalidInputError(
            field,
            f"The image is damaged or cut short ({_brief(error)}).",
            "Export it again and check it opens.",
        ) from error
    return pixels


def fit(image: Tensor, channels: int, height: int, width: int) -> Tensor:
    """``image`` [..., C, H, W] with a network's number of channels: grey is replicated, RGB becomes grey.

    Grey is ITU-R 601 luma, rounded as Pillow rounds it. Height and width are compared, never changed.

    Raises:
        InvalidInputError: the shape differs from [channels, height, width] in any other way.
    """
    found = tuple(image.shape[-3:])
    if image.dim() < 3 or found[1:] != (height, width) or found[0] not in {1, 3, channels}:  # noqa: PLR2004
        raise _misfit(found, (channels, height, width))
    if found[0] == channels:
        return image
    if found[0] == 1:
        return image.expand(*image.shape[:-3], channels, height, width).contiguous()
    if channels != 1:
        raise _misfit(found, (channels, height, width))
    weights = torch.tensor(_LUMA, dtype=torch.int32, device=image.device).view(3, 1, 1)
    luma = (image.to(torch.int32) * weights).sum(dim=-3, keepdim=True)
    return ((luma + _LUMA_SCALE // 2) // _LUMA_SCALE).to(image.dtype)


def encode_png(image: Tensor) -> bytes:
    """A lossless PNG of a uint8 image [C, H, W] with 1 or 3 channels."""
    pixels = image.permute(1, 2, 0).contiguous().numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _opener(data: bytes, field: str) -> Callable[[io.BytesIO], ImageFile]:
    """The header parser that the first bytes ask for.

    Pillow's ``Image.open`` is passed by: its size check warns through the process-wide warning filter, which
    threads cannot override for themselves.
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile
    if data.startswith(b"\xff\xd8\xff"):
        return JpegImageFile
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WebPImageFile
    problem = "The image is empty." if not data else "The bytes are not a PNG, JPEG or WebP image."
    raise InvalidInputError(field, problem, _FORMATS)


def _check_header(image: ImageFile, data: bytes, field: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise InvalidInputError(
            field,
            f"The image has {width} × {height} pixels, more than the {max_pixels:,} allowed.",
            "Scale it down to the network's input size first.",
        )
    frames = getattr(image, "n_frames", 1)
    if frames != 1:
        raise InvalidInputError(
            field, f"The image is animated ({frames} frames).", "Send each frame as one image."
        )
    if isinstance(image, JpegImageFile) and data.count(b"\xff\xda") > MAX_JPEG_SCANS:
        raise InvalidInputError(
            field,
            f"The JPEG has more than {MAX_JPEG_SCANS} scans.",
            "Save it again as a baseline or ordinary progressive JPEG.",
        )


def _to_pixels(image: Image.Image) -> Pixels:
    """A loaded Pillow image of any mode as uint8 [C, H, W], C = 1 or 3."""
    image.info.pop("transparency", None)
    if image.mode == "I" or image.mode.startswith("I;16"):
        deep = np.asarray(image).astype(np.int64).clip(0, 65535)
        return ((deep + 128) // 257).astype(np.uint8)[np.newaxis]
    if image.mode not in {"L", "RGB"}:
        image = image.convert("L" if image.mode in {"1", "LA", "La"} else "RGB")
    width, height = image.size
    pixels = np.frombuffer(image.tobytes(), np.uint8).reshape(height, width, -1)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _misfit(found: tuple[int, ...], expected: tuple[int, int, int]) -> InvalidInputError:
    return InvalidInputError(
        "image",
        f"The image has shape {_shape(found)} where the network takes {_shape(expected)} "
        "(channels × height × width).",
        f"Send images of {expected[1]} × {expected[2]} pixels; the service never resizes them.",
    )


def _shape(sizes: tuple[int, ...]) -> str:
    return " × ".join(str(size) for size in sizes)


def _brief(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:120]
