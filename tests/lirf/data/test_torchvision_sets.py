import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from app.lirf.data.torchvision_sets import load
from app.lirf.errors import InvalidInputError


@pytest.fixture
def tiny_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torchvision's file layout with six images, its list of checksums adjusted to it."""
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()

    def store(name: str, content: object) -> list[str]:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return [name, hashlib.md5(data, usedforsecurity=False).hexdigest()]

    pixels = np.arange(4 * 3072).reshape(4, 3072).astype(np.uint8)
    train = store("data_batch_1", {"data": pixels, "labels": [3, 1, 0, 2]})
    test = store("test_batch", {"data": pixels[:2], "labels": [1, 1]})
    names = store("batches.meta", {"label_names": ["a", "b", "c", "d"]})
    monkeypatch.setattr(CIFAR10, "train_list", [train])
    monkeypatch.setattr(CIFAR10, "test_list", [test])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": names[0], "key": "label_names", "md5": names[1]})
    return tmp_path


def test_the_files_of_torchvision_are_read(tiny_cifar10: Path) -> None:
    train = load("cifar10", "train", tiny_cifar10)
    assert train.shape == (3, 32, 32)
    assert train.labels.tolist() == [3, 1, 0, 2]
    assert train.classes == ("a", "b", "c", "d")
    assert train.ids[0] == "train-00000"
    assert train.images[0].flatten().tolist() == (np.arange(3072) % 256).tolist()
    assert len(load("cifar10", "test", tiny_cifar10)) == 2


def test_an_altered_file_is_refused_unread(tiny_cifar10: Path) -> None:
    path = tiny_cifar10 / CIFAR10.base_folder / "data_batch_1"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(InvalidInputError, match="differ from the published ones"):
        load("cifar10", "train", tiny_cifar10)


def test_missing_files_say_where_they_belong(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cifar-100-python"):
        load("cifar100", "test", tmp_path)


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cifar10, cifar100"):
        load("mnist", "test", tmp_path)
