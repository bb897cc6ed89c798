"""Files that the service accepts, which the fuzzer then damages."""

import io
import json
import zipfile
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from app.lirf.data.dataset import ImageDataset
from app.lirf.data.images import encode_png
from app.lirf.data.parquet import write_parquet
from security.fuzz.target import CLASSES, MODEL, weights

ROWS = 6


@dataclass(frozen=True)
class Seeds:
    """Whole files of one format, and pieces that mean something in it."""

    files: tuple[bytes, ...]
    tokens: tuple[bytes, ...]


def images() -> Seeds:
    """8 × 8 pixels, as the model takes them, in every format and mode that is accepted."""
    picture = Image.fromarray(pixels(1)[0, 0].numpy())
    files = [
        _encoded(picture.convert(mode), kind, **options)
        for mode, kind, options in (
            ("L", "PNG", {}),
            ("1", "PNG", {}),
            ("P", "PNG", {}),
            ("RGBA", "PNG", {}),
            ("I;16", "PNG", {}),
            ("L", "JPEG", {}),
            ("RGB", "JPEG", {"progressive": True}),
            ("CMYK", "JPEG", {}),
            ("RGB", "WEBP", {"lossless": True}),
            ("RGBA", "WEBP", {}),
        )
    ]
    chunks = (b"IHDR", b"IDAT", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"iCCP", b"zTXt", b"eXIf", b"IEND")
    markers = (
        b"\xff\xda",
        b"\xff\xc0",
        b"\xff\xc2",
        b"\xff\xc4",
        b"\xff\xdd\x00\x04",
        b"\xff\xee",
        b"\xff\xe1",
    )
    return Seeds(tuple(files), chunks + markers + (b"RIFF", b"WEBP", b"VP8X", b"VP8L", b"ANIM", b"ALPH"))


def safetensors() -> Seeds:
    words = (
        b'"dtype":"F64"',
        b'"shape":[0]',
        b"data_offsets",
        b"__metadata__",
        b"[4611686018427387904]",
        b"null",
    )
    return Seeds((weights(),), words)


def parquet() -> Seeds:
    """The layout in full, a plain one with a class column of text, and one compressed otherwise."""
    plain = pa.table(
        {
            "image": [encode_png(image) for image in pixels(ROWS)],
            "label": [CLASSES[row % 3] for row in range(ROWS)],
        }
    )
    files = [write_parquet(_dataset())]
    for compression in ("none", "snappy", "gzip"):
        sink = io.BytesIO()
        pq.write_table(plain, sink, compression=compression, row_group_size=2)
        files.append(sink.getvalue())
    return Seeds(
        tuple(files), (b"PAR1", b"huggingface", b'{"info":', b"ARROW:schema", b"\x15\x80\x80\x80\x80\x08")
    )


def archives() -> Seeds:
    """Class folders, stored and deflated."""
    files = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", method) as archive:
            for row, image in enumerate(pixels(ROWS)):
                archive.writestr(f"{row % 2}/{row}.png", encode_png(image))
        files.append(sink.getvalue())
    return Seeds(
        tuple(files), (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"../", b"/", b"\0")
    )


def bodies() -> dict[str, bytes]:
    """JSON that the routes accept, by path."""
    body = {
        "/deposits": {"model": MODEL, "dataset": "digits", "select": {"classes": ["8"]}, "epochs": 1},
        "/withdrawals": {"deposits": ["dep_00"], "reason": "fuzzing", "scope": "caller"},
        "/grants": {"principal": "max", "model": MODEL, "expires_at": "2099-01-01T00:00:00Z"},
        "/keys": {"principal": "nora", "role": "member"},
        "/predict": {"model": MODEL, "dataset": "digits", "indices": [0, 1], "top_k": 3},
        "/datasets": {"name": "more", "builtin": "digits", "split": "train"},
        "/models": {
            "name": "more",
            "architecture": "resnet20",
            "classes": CLASSES,
            "train": {"dataset": "digits"},
        },
    }
    return {path: json.dumps(content).encode() for path, content in body.items()}


def form() -> Seeds:
    """A multipart form with a model's name and an image."""
    image = images().files[0]
    parts = (
        b'--edge\r\nContent-Disposition: form-data; name="model"\r\n\r\n' + MODEL.encode() + b"\r\n",
        b'--edge\r\nContent-Disposition: form-data; name="image"; filename="i.png"\r\n\r\n' + image + b"\r\n",
    )
    return Seeds(
        (b"".join(parts) + b"--edge--\r\n",),
        (b"--edge", b"\r\n\r\n", b'filename="', b"name=", b"*=utf-8''%ff"),
    )


_TENSOR_HEAD = json.dumps(
    {
        "inputs": [
            {
                "name": "image",
                "shape": [2, 1, 8, 8],
                "datatype": "UINT8",
                "parameters": {"binary_data_size": 128},
            }
        ],
        "outputs": [{"name": "probabilities", "parameters": {"binary_data": True, "classification": 3}}],
    }
).encode()
TENSOR_JSON_BYTES = len(_TENSOR_HEAD)


def tensor() -> Seeds:
    """A request of the Open Inference Protocol with two images in binary, and one with all of it in JSON."""
    plain = {"inputs": [{"name": "image", "shape": [1, 1, 8, 8], "datatype": "UINT8", "data": [7] * 64}]}
    words = (
        b"BYTES",
        b"FP32",
        b"-1",
        b"9999999999",
        b"\xff\xff\xff\xff",
        b'"data":[',
        b"null",
        b"NaN",
        b"[[[[",
    )
    return Seeds((_TENSOR_HEAD + pixels(2).numpy().tobytes(), json.dumps(plain).encode()), words)


JSON_TOKENS = (
    b"null",
    b"1e999",
    b"-1",
    b"[]",
    b"{}",
    b'"\\ud800"',
    b'"\\u0000"',
    b"[" * 2000,
    b"NaN",
    b"\xff\xfe",
)


def _dataset() -> ImageDataset:
    labels = torch.arange(ROWS) % len(CLASSES)
    ids = tuple(f"row-{row}" for row in range(ROWS))
    return ImageDataset(pixels(ROWS), labels, ids, tuple(CLASSES), {"licence": ("a", "b") * (ROWS // 2)})


def pixels(count: int) -> torch.Tensor:
    chance = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 1, 8, 8), dtype=torch.uint8, generator=chance)


def _encoded(image: Image.Image, kind: str, **options: bool) -> bytes:
    sink = io.BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()
