import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.lirf.data.dataset import ImageDataset
from app.lirf.data.parquet import write_parquet
from app.lirf.data.source import open_source
from app.lirf.errors import InvalidInputError


def test_digits_need_no_file() -> None:
    assert len(open_source("digits", "test")) == 359


def test_a_folder_of_parquet_files_gives_the_split(dataset: ImageDataset, tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(write_parquet(dataset))
    (tmp_path / "test.parquet").write_bytes(write_parquet(dataset.subset([0, 1])))
    assert len(open_source(str(tmp_path), "train")) == 8
    assert len(open_source(str(tmp_path), "test")) == 2


def test_a_folder_of_class_folders_gives_the_split(tmp_path: Path, encode: Callable[..., bytes]) -> None:
    for name in ("train/cat/0.png", "train/dog/0.png", "test/cat/1.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(encode(0))
    assert open_source(str(tmp_path), "train").ids == ("cat/0.png", "dog/0.png")
    assert open_source(str(tmp_path), "test").ids == ("cat/1.png",)


def test_single_files_are_read_by_their_ending(
    dataset: ImageDataset, tmp_path: Path, encode: Callable[..., bytes], make_zip: Callable[..., bytes]
) -> None:
    (tmp_path / "a.parquet").write_bytes(write_parquet(dataset))
    (tmp_path / "a.ZIP").write_bytes(make_zip({"cat/0.png": encode(0)}))
    assert len(open_source(str(tmp_path / "a.parquet"), "train")) == 8
    assert len(open_source(str(tmp_path / "a.ZIP"), "test")) == 1


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    for spec, says in [
        (str(tmp_path / "absent"), "absent"),
        (str(tmp_path), "neither train.parquet nor a folder train/"),
        ("cifar10", "cifar10:FOLDER"),
        (f"cifar100:{tmp_path}", "cifar-100-python"),
        ("", "neither train.parquet nor a folder"),
    ]:
        with pytest.raises(InvalidInputError) as refusal:
            open_source(spec, "train")
        assert says in str(refusal.value)


def test_another_ending_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(b"x")
    with pytest.raises(InvalidInputError, match=r"neither \.parquet nor \.zip"):
        open_source(str(path), "train")


def test_importing_it_loads_no_reader() -> None:
    code = (
        "import sys, app.lirf.data.source;"
        "print([name for name in ('sklearn', 'torchvision', 'pyarrow') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
