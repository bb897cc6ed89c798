"""Sets that cannot be deposited are refused by field, before anything is trained."""

import pytest
import torch
from torch import Tensor

from app.lirf.config import DepositConfig
from app.lirf.deposit import deposit
from app.lirf.deposit_set import DepositSet
from app.lirf.errors import InvalidInputError
from app.lirf.networks import InputSpec, Network

SPLIT = 7


def images_of(count: int = 4) -> Tensor:
    return torch.zeros(count, 3, 8, 8, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("sets", "field", "message"),
    [
        ([], "sets", "nothing to deposit"),
        ([DepositSet(images_of(0), torch.zeros(0).long(), (0,))], "sets[0].labels", "there are no images"),
        (
            [DepositSet(torch.zeros(4, 3, 9, 9).byte(), torch.zeros(4).long(), (0,))],
            "sets[0].images",
            "does not fit",
        ),
        ([DepositSet(images_of(), torch.zeros(3).long(), (0,))], "sets[0].labels", "for 4 images"),
        ([DepositSet(images_of(), torch.zeros(4), (0,))], "sets[0].labels", "torch.float32"),
        (
            [DepositSet(images_of(), torch.full((4,), 10), (10,))],
            "sets[0].labels",
            "class 10 is outside 0..9",
        ),
        ([DepositSet(images_of(), torch.full((4,), -1), None)], "sets[0].labels", "class -1 is outside 0..9"),
        (
            [DepositSet(images_of(), torch.ones(4).long(), (0,))],
            "sets[0].classes",
            "holds samples of class 1",
        ),
        ([DepositSet(images_of(), torch.zeros(4).long(), (0, 12))], "sets[0].classes", "not all in 0..9"),
        (
            [DepositSet(images_of(), torch.zeros(4).long(), (0,))] * 2,
            "sets[1].classes",
            "class 0 is in two sets",
        ),
        (
            [DepositSet(images_of(), torch.zeros(4).long(), tuple(range(10)))],
            "sets",
            "no class would be left",
        ),
    ],
)
def test_sets_that_cannot_be_deposited_are_refused_by_field(
    untrained: Network, spec: InputSpec, sets: list[DepositSet], field: str, message: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        deposit(untrained, spec, SPLIT, sets)
    assert caught.value.field == field
    assert message in caught.value.problem


def test_a_class_cannot_be_deposited_twice(
    untrained: Network, spec: InputSpec, small_set: DepositSet, brief: DepositConfig
) -> None:
    target = deposit(untrained, spec, SPLIT, [small_set], brief).target
    with pytest.raises(InvalidInputError, match="class 3 was deposited before"):
        deposit(target, spec, SPLIT, [small_set], brief)
    with pytest.raises(InvalidInputError, match="class 8 was deposited before"):
        deposit(untrained, spec, SPLIT, [small_set], brief, absent=(8,))
