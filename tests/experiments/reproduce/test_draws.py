import pytest
import torch

from experiments.reproduce.bench import Bench
from experiments.reproduce.measures.draws import balanced_rows, some_rows


@pytest.mark.parametrize("draw", [some_rows, balanced_rows])
def test_an_attackers_images_are_the_same_for_the_same_seed_and_none_twice(
    bench: Bench, draw: object
) -> None:
    first = draw(bench.train, 60, 0.5, 3)
    assert torch.equal(first, draw(bench.train, 60, 0.5, 3))
    assert not torch.equal(first, draw(bench.train, 60, 0.5, 4))
    assert len(set(first.tolist())) == len(first) == 60


def test_a_small_data_set_gives_its_share_and_never_nothing(bench: Bench) -> None:
    assert len(some_rows(bench.train, 10_000, 0.5, 0)) == len(bench.train) // 2
    assert len(some_rows(bench.train, 10_000, 1e-9, 0)) == 1
    assert len(balanced_rows(bench.train, 10_000, 1e-9, 0)) == 10


def test_balanced_images_are_as_many_of_each_class_as_the_rarest_allows(bench: Bench) -> None:
    rarest = int(torch.bincount(bench.train.labels).min())
    for asked, each in ((60, 6), (69, 6), (10_000, rarest // 2)):
        rows = balanced_rows(bench.train, asked, 0.5, 0)
        assert torch.bincount(bench.train.labels[rows]).tolist() == [each] * 10
