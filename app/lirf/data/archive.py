"""The members of an untrusted ZIP file, checked before any of them is read and never extracted."""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from app.lirf.errors import InvalidInputError

_ENTRY_SIGNATURE = b"PK\x01\x02"
_SCAN_BYTES = 4 * 1024**2
_ENCRYPTED = 0x1
_KINDS = {0, stat.S_IFREG, stat.S_IFDIR}
READ_ERRORS = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


@dataclass(frozen=True)
class ArchiveLimits:
    """How much a ZIP file or a folder may hold.

    Attributes:
        members: most files and folders.
        total_bytes: most bytes of all members together, uncompressed.
        member_bytes: most bytes of one member, uncompressed.
        ratio: largest uncompressed size of a member per compressed byte.
    """

    members: int = 200_000
    total_bytes: int = 4 * 1024**3
    member_bytes: int = 16 * 1024**2
    ratio: int = 100


def checked_members(archive: zipfile.ZipFile, limits: ArchiveLimits) -> list[zipfile.ZipInfo]:
    """The files of ``archive`` in its order, folders left out.

    Raises:
        InvalidInputError: naming the first member that is encrypted, a link or device, outside the archive,
            compressed by another method than deflate, named twice, or too large.
    """
    seen: set[str] = set()
    total = 0
    for member in archive.infolist():
        _check_member(member, limits)
        if member.filename in seen:
            raise _refused(member.filename, "is in the archive twice", "Give every file a name of its own.")
        seen.add(member.filename)
        total += member.file_size
        if total > limits.total_bytes:
            raise InvalidInputError(
                "dataset",
                f"The archive unpacks to more than the {limits.total_bytes:,} bytes allowed.",
                "Upload fewer or smaller images.",
            )
    return [member for member in archive.infolist() if not member.is_dir()]


def check_path(name: str) -> None:
    """Refuse a member name that could mean a place outside the archive."""
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or ":" in parts[0] or ".." in parts or "\0" in name:
        raise _refused(name, "leads outside the archive", "Use relative paths such as airplane/0001.png.")


@contextmanager
def open_archive(source: bytes | Path | BinaryIO, limits: ArchiveLimits) -> Iterator[zipfile.ZipFile]:
    """``source`` as a ZIP file whose number of members is within ``limits``.

    Raises:
        InvalidInputError: no such file, not a ZIP file, too many members, or a damaged directory.
    """
    with _stream(source) as stream:
        _check_count(stream, limits)
        try:
            archive = zipfile.ZipFile(stream)
        except READ_ERRORS as error:
            reason = (str(error) or type(error).__name__).splitlines()[0][:160]
            raise InvalidInputError(
                "dataset", f"The ZIP file is damaged or cut short ({reason}).", "Pack and upload it again."
            ) from error
        with archive:
            yield archive


@contextmanager
def _stream(source: bytes | Path | BinaryIO) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif isinstance(source, Path):
        if not source.is_file():
            raise InvalidInputError(
                "dataset", f"There is no file {str(source)!r}.", "Give the path of a ZIP file."
            )
        with source.open("rb") as stream:
            yield stream
    else:
        yield source


def _check_count(stream: BinaryIO, limits: ArchiveLimits) -> None:
    """Bound the number of directory entries by counting their signature, before ``zipfile`` builds them all.

    A count stated in the file could lie, a signature cannot be missing. By chance compressed data holds one
    in 4 GiB, which errs on the safe side.
    """
    stream.seek(0)
    count = 0
    tail = b""
    while block := stream.read(_SCAN_BYTES):
        block = tail + block
        count += block.count(_ENTRY_SIGNATURE)
        tail = block[-3:]
        if count > limits.members:
            raise InvalidInputError(
                "dataset",
                f"The archive has more than the {limits.members:,} members allowed.",
                "Upload fewer images, or use Parquet.",
            )
    stream.seek(0)


def _check_member(member: zipfile.ZipInfo, limits: ArchiveLimits) -> None:
    name = member.filename
    check_path(member.orig_filename)
    if member.flag_bits & _ENCRYPTED:
        raise _refused(name, "is encrypted", "Pack the archive without a password.")
    if stat.S_IFMT(member.external_attr >> 16) not in _KINDS:
        raise _refused(name, "is a link or a device", "Pack the files themselves.")
    if member.compress_type not in _METHODS:
        raise _refused(name, "is packed by an unusual method", "Use plain deflate, the ZIP default.")
    if member.file_size > limits.member_bytes:
        raise _refused(
            name, f"has {member.file_size:,} bytes", f"At most {limits.member_bytes:,} are allowed."
        )
    if member.file_size > limits.ratio * max(member.compress_size, 1):
        raise _refused(
            name,
            f"unpacks to more than {limits.ratio} times its packed size",
            "Pack PNG, JPEG or WebP images; they hardly shrink.",
        )


def _refused(name: str, what: str, remedy: str) -> InvalidInputError:
    return InvalidInputError("dataset", f"The member {name[:120]!r} {what}.", remedy)
