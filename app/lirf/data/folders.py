"""Data sets as class folders: ``airplane/0001.png``, in a ZIP file or in a directory."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import torch

from app.lirf.data.archive import READ_ERRORS, ArchiveLimits, check_path, checked_members, open_archive
from app.lirf.data.dataset import ImageDataset
from app.lirf.data.stack import ImageStack
from app.lirf.errors import InvalidInputError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})

_DEFAULT_LIMITS = ArchiveLimits()
_HIDDEN = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})
_BATCH_FILES = 512
_BATCH_BYTES = 64 * 1024**2
_CLASS_DEPTH = 2
_EXAMPLE = "Put every image into a folder named after its class, such as airplane/0001.png."


def read_zip(source: bytes | Path | BinaryIO, *, limits: ArchiveLimits = _DEFAULT_LIMITS) -> ImageDataset:
    """The data set of a ZIP file of class folders, optionally inside one common top folder.

    Members are read in memory, never extracted. Ids are the member paths, rows are sorted by them, classes
    are sorted by name. Hidden files (``__MACOSX``, ``.DS_Store``) are skipped.

    Raises:
        InvalidInputError: naming the first member that is no image, badly placed, or refused by
            ``checked_members``; or the archive if it is damaged, empty or too large.
    """
    with open_archive(source, limits) as archive:
        members = {member.filename: member for member in checked_members(archive, limits)}

        def read(name: str) -> bytes:
            return archive.read(members[name])

        return _read_images(members, read, limits)


def read_folder(path: Path, *, limits: ArchiveLimits = _DEFAULT_LIMITS) -> ImageDataset:
    """The data set of a directory of class folders, under the same rules as ``read_zip``.

    Ids are paths relative to ``path``, with forward slashes.

    Raises:
        InvalidInputError: no such directory, or a file in it that ``read_zip`` would refuse.
    """
    if not path.is_dir():
        raise InvalidInputError(
            "dataset", f"There is no folder {str(path)!r}.", "Give a folder of class folders."
        )
    names: list[str] = []
    for name, size in _files(path):
        names.append(name)
        if len(names) > limits.members:
            raise InvalidInputError(
                "dataset",
                f"The folder has more than the {limits.members:,} files allowed.",
                "Use fewer images, or Parquet.",
            )
        if size > limits.member_bytes:
            raise InvalidInputError(
                "dataset",
                f"The file {name[:120]!r} has {size:,} bytes.",
                f"At most {limits.member_bytes:,} are allowed.",
            )

    def read(name: str) -> bytes:
        return (path / name).read_bytes()

    return _read_images(names, read, limits)


def place(names: Iterable[str]) -> dict[str, str]:
    """The class of every image by its path, sorted by path; hidden files left out.

    Raises:
        InvalidInputError: no image at all, a file that is no image by its name, or one that is not in a class
            folder.
    """
    visible = sorted(name for name in names if not _is_hidden(name))
    if not visible:
        raise InvalidInputError("dataset", "There are no images.", _EXAMPLE)
    parts = {name: PurePosixPath(name).parts for name in visible}
    tops = {found[0] for found in parts.values()}
    nested = len(tops) == 1 and all(len(found) == _CLASS_DEPTH + 1 for found in parts.values())
    depth = _CLASS_DEPTH + 1 if nested else _CLASS_DEPTH
    for name, found in parts.items():
        if PurePosixPath(name).suffix.lower() not in IMAGE_SUFFIXES:
            raise InvalidInputError(
                "dataset",
                f"The file {name[:120]!r} is not an image.",
                "Keep only .png, .jpg, .jpeg and .webp files; unpack archives inside archives.",
            )
        if len(found) != depth:
            raise InvalidInputError("dataset", f"The file {name[:120]!r} is not in a class folder.", _EXAMPLE)
    return {name: found[-2] for name, found in parts.items()}


def _read_images(names: Iterable[str], read: Callable[[str], bytes], limits: ArchiveLimits) -> ImageDataset:
    placed = place(names)
    ids = tuple(placed)
    with ImageStack(len(ids), max_bytes=limits.total_bytes) as stack:
        for chunk in _batches(ids, read):
            stack.add(list(chunk.values()), [f"dataset[{name[:120]!r}]" for name in chunk])
        images = stack.images()
    classes = tuple(sorted(set(placed.values())))
    return ImageDataset(images, _labels(placed.values(), classes), ids, classes)


def _batches(ids: Iterable[str], read: Callable[[str], bytes]) -> Iterator[dict[str, bytes]]:
    """The files by name, so many at once as keep the threads busy and the memory small."""
    chunk: dict[str, bytes] = {}
    size = 0
    for name in ids:
        chunk[name] = _read_one(name, read)
        size += len(chunk[name])
        if len(chunk) == _BATCH_FILES or size >= _BATCH_BYTES:
            yield chunk
            chunk, size = {}, 0
    yield chunk


def _read_one(name: str, read: Callable[[str], bytes]) -> bytes:
    try:
        return read(name)
    except READ_ERRORS as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise InvalidInputError(
            f"dataset[{name[:120]!r}]", f"The file cannot be read ({reason}).", "Pack it again."
        ) from error


def _labels(names: Iterable[str], classes: Sequence[str]) -> torch.Tensor:
    position = {name: index for index, name in enumerate(classes)}
    return torch.tensor([position[name] for name in names], dtype=torch.int64)


def _files(root: Path) -> Iterator[tuple[str, int]]:
    """Every regular file below ``root`` as (relative path, size in bytes), links refused."""
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise InvalidInputError(
                    "dataset", f"The file {relative[:120]!r} is a link or a device.", "Copy the file itself."
                )
            if path.is_file():
                check_path(relative)
                yield relative, path.stat().st_size


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part in _HIDDEN for part in PurePosixPath(name).parts)
