import pytest
import torch

from app.lirf.errors import InvalidInputError
from app.lirf.networks import Network, available, create, published_state
from app.lirf.partition import partition, recompose


@pytest.mark.parametrize("split", range(1, 11))
def test_partition_then_recompose_answers_bit_for_bit_like_the_original(
    untrained: Network, split: int
) -> None:
    images = torch.randn(4, 3, 8, 8)
    shallow, deep = partition(untrained, split)
    again = recompose(shallow, deep)
    assert len(shallow) == split
    assert torch.equal(again(images), untrained(images))
    assert torch.equal(deep(shallow(images)), untrained(images))
    assert not torch.equal(untrained(images), untrained(images + 1))


@pytest.mark.parametrize("architecture", ["resnet18-cifar", "allcnn"])
def test_the_parts_hold_all_published_tensors_between_them(architecture: str) -> None:
    assert architecture in available()
    net = create(architecture, num_classes=4)
    shallow, deep = partition(net, 3)
    assert list(published_state(shallow)) + list(published_state(deep)) == list(published_state(net))
    assert list(published_state(recompose(shallow, deep))) == list(published_state(net))


@pytest.mark.parametrize("split", [-1, 0, 11, 99])
def test_a_split_that_leaves_a_part_empty_is_refused_with_the_legal_range(
    untrained: Network, split: int
) -> None:
    with pytest.raises(InvalidInputError, match=rf"split: {split} does not divide .* from 1 to 10"):
        partition(untrained, split)
