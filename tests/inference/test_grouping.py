"""Parts of a net are divided among threads as evenly as their order allows."""

import itertools

import pytest

from app.inference.grouping import grouped


@pytest.mark.parametrize(
    ("costs", "most", "sizes"),
    [
        ([4], 2, [1]),
        ([2, 1], 1, [2]),
        ([2, 1], 2, [1, 1]),
        ([2, 1], 4, [1, 1]),
        ([2, 1, 1], 2, [1, 2]),
        ([2, 1, 1, 1, 1], 2, [2, 3]),
        ([2, 1, 1, 1, 1], 3, [1, 2, 2]),
        ([9, 1, 1], 3, [1, 2]),
    ],
)
def test_neighbours_share_a_group_and_groups_are_about_equal(
    costs: list[float], most: int, sizes: list[int]
) -> None:
    found = [costs[group] for group in grouped(costs, most)]
    assert [len(group) for group in found] == sizes
    assert [*itertools.chain(*found)] == costs
