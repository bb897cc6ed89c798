"""Hypothesis strategies for files that are well formed and wrong: headers, members and columns that lie."""

import io
import json
import struct
import warnings
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from app.lirf.data.images import encode_png
from security.fuzz.mutations import NUMBERS
from security.fuzz.seeds import ROWS, pixels
from security.fuzz.target import weights

DTYPES = ("F64", "F32", "F16", "BF16", "I64", "I32", "I8", "U8", "BOOL", "F8_E4M3", "F4", "no such type", "")
NAMES = (
    "0/a.png",
    "1/b.png",
    "a.png",
    "0/",
    "/0/a.png",
    "../a.png",
    "0/../../a.png",
    "0\\a.png",
    "C:/a.png",
    "0/a.txt",
    "0/" + "a" * 300 + ".png",
    "0/\u202egnp.a",
    "0/a.png\0.txt",
    "__MACOSX/a.png",
    "0/1/2/a.png",
)
COLUMNS = ("img", "image", "label", "id", "licence", "", "a.b")
LINK = 0o120777 << 16

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(NUMBERS) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def tensor_files(draw: st.DrawFn) -> bytes:
    """The model's weights under a header of which some entries were changed, renamed, dropped or added."""
    data = weights()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    names = sorted(header)
    number = st.sampled_from(NUMBERS) | st.integers(-1, 4096)
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)):
        change = draw(st.sampled_from(("dtype", "shape", "data_offsets", "anything", "drop", "rename")))
        entry = header.pop(name, None)
        if change == "rename":
            header[draw(st.text(max_size=40))] = entry
        elif change == "anything":
            header[name] = draw(json_values)
        elif change != "drop":
            length_of = {"dtype": st.sampled_from(DTYPES), "shape": st.lists(number, max_size=5)}
            value = draw(length_of.get(change, st.lists(number, min_size=0, max_size=3)))
            header[name] = {**entry, change: value} if isinstance(entry, dict) else value
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) + draw(st.sampled_from((0, 0, 0, 1, -1)))) + text + data[8 + length :]


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """A ZIP file of members with odd names, kinds, methods and contents."""
    contents = [encode_png(image) for image in pixels(2)] + [b"", b"text", b"\0" * 100_000]
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name in draw(st.lists(st.sampled_from(NAMES), max_size=5, unique=True)):
            member = zipfile.ZipInfo(name)
            member.compress_type = draw(
                st.sampled_from(
                    (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
                )
            )
            member.external_attr = draw(st.sampled_from((0o644 << 16, 0, LINK, 0o060644 << 16, 0xFFFFFFFF)))
            with warnings.catch_warnings(action="ignore"):  # of a name given twice, which is the point
                archive.writestr(member, draw(st.sampled_from(contents)))
    return sink.getvalue()


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A Parquet file whose columns have odd names, types and values."""
    rows = draw(st.integers(0, ROWS))
    cells = [encode_png(image) for image in pixels(ROWS)]
    columns = {
        "bytes": pa.array(cells[:rows], pa.binary()),
        "large": pa.array(cells[:rows], pa.large_binary()),
        "nulls": pa.nulls(rows, pa.binary()),
        "struct": pa.array([{"bytes": cell, "path": None} for cell in cells[:rows]]),
        "deep": pa.array([{"bytes": {"bytes": cell}} for cell in cells[:rows]]),
        "int": pa.array([draw(st.integers(-2, 12)) for _ in range(rows)], pa.int64()),
        "far": pa.array([draw(st.sampled_from((0, 2**62, -(2**63)))) for _ in range(rows)], pa.int64()),
        "unsigned": pa.array([2**64 - 1] * rows, pa.uint64()),
        "text": pa.array([draw(st.sampled_from(("a", "b", "", "\0"))) for _ in range(rows)]),
        "float": pa.array([float("nan")] * rows),
        "list": pa.array([[1, 2]] * rows),
        "date": pa.array([2**62] * rows, pa.timestamp("us")),
        "span": pa.array([1] * rows, pa.duration("ns")),
        "decimal": pa.nulls(rows, pa.decimal128(38, 10)),
        "classes": pa.array(["x", "y"] * ROWS)[:rows].dictionary_encode(),
        "ids": pa.array([str(row) for row in range(rows)]),
    }
    right = {"img": columns["bytes"], "label": columns["classes"], "id": columns["ids"]}
    odd = st.dictionaries(st.sampled_from(COLUMNS), st.sampled_from(sorted(columns)), max_size=3)
    table = pa.table({**right, **{name: columns[kind] for name, kind in draw(odd).items()}})
    stated = {b"huggingface": json.dumps(draw(json_values)).encode()} if draw(st.booleans()) else {}
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(stated), sink)
    return sink.getvalue()
