import os
import stat
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.lirf.data.archive import ArchiveLimits
from app.lirf.data.folders import read_folder, read_zip
from app.lirf.data.images import decode
from app.lirf.errors import InvalidInputError


@pytest.fixture(scope="module")
def members(encode: Callable[..., bytes]) -> dict[str, bytes]:
    return {
        "dog/2.png": encode(3),
        "cat/1.webp": encode(1, kind="WEBP"),
        "cat/0.png": encode(0),
        "dog/0.JPG": encode(2, kind="JPEG"),
    }


def refusal_of(data: bytes, limits: ArchiveLimits | None = None) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as refusal:
        read_zip(data, limits=limits or ArchiveLimits())
    assert refusal.value.remedy
    return refusal.value


def unpack(members: dict[str, bytes], root: Path) -> Path:
    for name, data in members.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def test_class_folders_are_read_sorted(members: dict[str, bytes], make_zip: Callable[..., bytes]) -> None:
    found = read_zip(make_zip(members))
    assert found.ids == ("cat/0.png", "cat/1.webp", "dog/0.JPG", "dog/2.png")
    assert found.classes == ("cat", "dog")
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert torch.equal(found.images, torch.stack([decode(members[name]) for name in found.ids]))


def test_bytes_path_and_open_file_read_the_same(
    members: dict[str, bytes], make_zip: Callable[..., bytes], tmp_path: Path
) -> None:
    path = tmp_path / "set.zip"
    path.write_bytes(make_zip(members))
    with path.open("rb") as stream:
        assert read_zip(path).ids == read_zip(stream).ids == read_zip(path.read_bytes()).ids


def test_one_common_top_folder_is_looked_through(
    members: dict[str, bytes], make_zip: Callable[..., bytes]
) -> None:
    found = read_zip(make_zip({f"pets/{name}": data for name, data in members.items()}))
    assert found.classes == ("cat", "dog")
    assert found.ids[0] == "pets/cat/0.png"


def test_one_class_alone_is_a_class_and_no_top_folder(
    make_zip: Callable[..., bytes], encode: Callable[..., bytes]
) -> None:
    assert read_zip(make_zip({"cat/0.png": encode(0), "cat/1.png": encode(1)})).classes == ("cat",)


def test_hidden_files_and_folders_are_skipped(
    members: dict[str, bytes], make_zip: Callable[..., bytes]
) -> None:
    extra = {
        "__MACOSX/cat/._0.png": b"x",
        ".DS_Store": b"x",
        "cat/.DS_Store": b"x",
        "cat/Thumbs.db": b"x",
        "cat/": b"",
    }
    assert len(read_zip(make_zip({**members, **extra}))) == 4


@pytest.mark.parametrize(
    "name", ["../0.png", "cat/../../0.png", "/cat/0.png", "C:/cat/0.png", "cat\\0.png", "..\\0.png"]
)
def test_paths_that_lead_outside_are_refused(
    members: dict[str, bytes], make_zip: Callable[..., bytes], encode: Callable[..., bytes], name: str
) -> None:
    refusal = refusal_of(make_zip({**members, name: encode(5)}))
    assert "outside" in refusal.problem
    assert repr(name) in refusal.problem


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(
    members: dict[str, bytes], make_zip: Callable[..., bytes], kind: int
) -> None:
    link = zipfile.ZipInfo("cat/link.png")
    link.external_attr = (kind | 0o777) << 16
    assert "'cat/link.png' is a link" in refusal_of(make_zip({**members, link: b"/etc/passwd"})).problem


def test_encrypted_members_are_refused(members: dict[str, bytes], make_zip: Callable[..., bytes]) -> None:
    data = bytearray(make_zip({"cat/0.png": members["cat/0.png"]}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in refusal_of(bytes(data)).problem


@pytest.mark.parametrize("name", ["cat/more.zip", "cat/notes.txt", "cat/0.gif", "cat/noending"])
def test_files_that_are_no_images_are_refused_by_name(
    members: dict[str, bytes], make_zip: Callable[..., bytes], name: str
) -> None:
    assert repr(name) in refusal_of(make_zip({**members, name: b"x"})).problem


def test_a_nested_archive_dressed_as_an_image_is_refused_by_name(
    members: dict[str, bytes], make_zip: Callable[..., bytes]
) -> None:
    refusal = refusal_of(make_zip({**members, "cat/9.png": make_zip(members)}))
    assert "cat/9.png" in refusal.field


@pytest.mark.parametrize("name", ["0.png", "a/b/c/0.png", "cat/more/0.png"])
def test_images_outside_class_folders_are_refused_by_name(
    members: dict[str, bytes], make_zip: Callable[..., bytes], encode: Callable[..., bytes], name: str
) -> None:
    assert repr(name) in refusal_of(make_zip({**members, name: encode(0)})).problem


def test_an_archive_without_images_is_refused(make_zip: Callable[..., bytes]) -> None:
    assert "no images" in refusal_of(make_zip({"__MACOSX/x": b""})).problem
    assert "no images" in refusal_of(make_zip({})).problem


def test_a_name_given_twice_is_refused(make_zip: Callable[..., bytes], encode: Callable[..., bytes]) -> None:
    first, second = zipfile.ZipInfo("cat/0.png"), zipfile.ZipInfo("cat/1.png")
    data = make_zip({first: encode(0), second: encode(1)}).replace(b"cat/1.png", b"cat/0.png")
    assert "twice" in refusal_of(data).problem


def test_images_of_two_shapes_are_refused_by_name(
    members: dict[str, bytes], make_zip: Callable[..., bytes], encode: Callable[..., bytes]
) -> None:
    assert "dog/9.png" in refusal_of(make_zip({**members, "dog/9.png": encode(0, size=(9, 9))})).field


def test_a_member_that_unpacks_a_thousandfold_is_refused(
    members: dict[str, bytes], make_zip: Callable[..., bytes]
) -> None:
    refusal = refusal_of(make_zip({**members, "dog/bomb.png": bytes(10 * 1024**2)}))
    assert "'dog/bomb.png' unpacks to more than 100 times" in refusal.problem


def test_other_compression_methods_are_refused(
    members: dict[str, bytes], make_zip: Callable[..., bytes]
) -> None:
    assert "unusual method" in refusal_of(make_zip(members, zipfile.ZIP_LZMA)).problem


def test_caps_on_members_and_sizes_hold(members: dict[str, bytes], make_zip: Callable[..., bytes]) -> None:
    data = make_zip(members)
    assert "3 members" in refusal_of(data, ArchiveLimits(members=3)).problem
    assert "200 bytes" in refusal_of(data, ArchiveLimits(total_bytes=200)).problem
    assert "At most 50" in refusal_of(data, ArchiveLimits(member_bytes=50)).remedy


def test_a_directory_of_very_many_members_is_refused_fast() -> None:
    started = time.monotonic()
    entry = b"PK\x01\x02" + bytes(42)
    assert "200,000 members" in refusal_of(entry * 1_000_000).problem
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x05\x06" + bytes(18), b"x" * 1000])
def test_what_is_no_zip_file_is_refused(data: bytes) -> None:
    assert refusal_of(data).field == "dataset"


def test_a_missing_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"absent\.zip"):
        read_zip(tmp_path / "absent.zip")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_archives_are_read_or_refused_and_nothing_else(
    members: dict[str, bytes], make_zip: Callable[..., bytes], data: st.DataObject
) -> None:
    whole = make_zip(members)
    damaged = bytearray(whole)
    for position in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=6)):
        damaged[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([0, 1, 22, len(whole) // 2]))
    try:
        found = read_zip(bytes(damaged[: len(whole) - cut]))
    except InvalidInputError:
        return
    assert len(found) <= len(members)


def test_a_folder_reads_like_the_archive_of_it(
    members: dict[str, bytes], make_zip: Callable[..., bytes], tmp_path: Path
) -> None:
    archived = read_zip(make_zip(members))
    found = read_folder(unpack({**members, "cat/.hidden": b"x"}, tmp_path))
    assert (found.ids, found.classes) == (archived.ids, archived.classes)
    assert torch.equal(found.images, archived.images)
    assert torch.equal(found.labels, archived.labels)


def test_links_and_pipes_in_a_folder_are_refused(members: dict[str, bytes], tmp_path: Path) -> None:
    for name in ("file", "folder", "pipe"):
        root = unpack(members, tmp_path / name)
        match name:
            case "file":
                (root / "cat" / "l.png").symlink_to(root / "cat" / "0.png")
            case "folder":
                (root / "owl").symlink_to(root / "cat")
            case _:
                os.mkfifo(root / "cat" / "p.png")
        with pytest.raises(InvalidInputError, match="link or a device"):
            read_folder(root)


def test_a_bad_folder_is_refused(members: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no folder"):
        read_folder(tmp_path / "absent")
    with pytest.raises(InvalidInputError, match="no images"):
        read_folder(tmp_path)
    root = unpack({**members, "cat/notes.txt": b"x"}, tmp_path / "set")
    with pytest.raises(InvalidInputError, match=r"'cat/notes\.txt' is not an image"):
        read_folder(root)


def test_caps_hold_for_folders(members: dict[str, bytes], tmp_path: Path) -> None:
    root = unpack(members, tmp_path)
    with pytest.raises(InvalidInputError, match="3 files"):
        read_folder(root, limits=ArchiveLimits(members=3))
    with pytest.raises(InvalidInputError, match="At most 50 are allowed"):
        read_folder(root, limits=ArchiveLimits(member_bytes=50))
