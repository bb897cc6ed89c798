import numpy as np
import torch
from sklearn.datasets import load_digits

from app.lirf.data.digits import load_digits_split


def test_the_parts_are_the_whole_set_without_overlap() -> None:
    train, test = load_digits_split("train"), load_digits_split("test")
    assert (len(train), len(test)) == (1438, 359)
    assert not set(train.ids) & set(test.ids)
    assert len(set(train.ids) | set(test.ids)) == 1797


def test_every_digit_has_a_fifth_of_its_rows_in_the_test_part() -> None:
    train, test = load_digits_split("train"), load_digits_split("test")
    held_out = torch.bincount(test.labels)
    share = held_out / (held_out + torch.bincount(train.labels))
    assert (share - 0.2).abs().max() < 0.004


def test_pixels_and_labels_are_those_of_scikit_learn() -> None:
    train = load_digits_split("train")
    bunch = load_digits()
    rows = [int(name.removeprefix("digit-")) for name in train.ids]
    assert train.shape == (1, 8, 8)
    assert train.classes == tuple("0123456789")
    assert np.array_equal(train.labels.numpy(), bunch.target[rows])
    assert np.array_equal(np.rint(train.images[:, 0].numpy() * (16 / 255)), bunch.images[rows])
    assert int(train.images.max()) == 255


def test_the_split_is_the_same_everywhere() -> None:
    assert load_digits_split("test").ids[:4] == ("digit-0000", "digit-0002", "digit-0006", "digit-0011")
