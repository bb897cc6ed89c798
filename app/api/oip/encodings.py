"""Compressed bodies, both ways: a body that unpacks to more than its limit is refused before it is unpacked."""

import gzip
import zlib

from app.domain.errors import Invalid, PayloadTooLarge, UnsupportedMedia

WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""zlib's names for the formats of RFC 9110: deflate is zlib's own."""

LEVEL = 1
WORTH_PACKING_BYTES = 1024


def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """The body behind a ``Content-Encoding``.

    Raises:
        UnsupportedMedia: another encoding.
        Invalid: damaged.
        PayloadTooLarge: more than ``limit`` bytes.
    """
    if encoding in {"", "identity"}:
        return body
    if encoding not in WINDOW:
        raise UnsupportedMedia(
            f"Content-Encoding {encoding[:40]!r} is not accepted.", f"Send {' or '.join(WINDOW)}, or none."
        )
    unpacker = zlib.decompressobj(WINDOW[encoding])
    try:
        data = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise Invalid(f"The body is no {encoding} data ({error}).", "Compress it again.", "body") from error
    if len(data) > limit:
        raise PayloadTooLarge(
            f"The body unpacks to more than the {limit:,} bytes allowed here.", "Send less at once."
        )
    if not unpacker.eof:
        raise Invalid(f"The {encoding} data is cut short.", "Send the whole body.", "body")
    return data


def packed(body: bytes, accepted: str) -> tuple[bytes, str | None]:
    """The body as the client accepts it, and its ``Content-Encoding``."""
    names = [name.partition(";")[0].strip() for name in accepted.lower().split(",")]
    encoding = next((name for name in names if name in WINDOW), None)
    if encoding is None or len(body) < WORTH_PACKING_BYTES:
        return body, None
    data = gzip.compress(body, LEVEL, mtime=0) if encoding == "gzip" else zlib.compress(body, LEVEL)
    return data, encoding
