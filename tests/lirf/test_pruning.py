import pytest
import torch
from torch import nn

from app.lirf.errors import InvalidInputError
from app.lirf.networks import Network, create, default_split, published_state
from app.lirf.partition import partition
from app.lirf.pruning import filter_scores, prune
from app.lirf.rebuilding import rebuild

ARCHITECTURES = ["resnet20", "resnet18-cifar", "resnet50-cifar", "allcnn"]
SHAPE = (3, 16, 16)


def shallow_of(architecture: str) -> Network:
    net = create(architecture, num_classes=10)
    net.train()(torch.randn(8, *SHAPE))
    return partition(net.frozen(), default_split(architecture))[0]


@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.9])
def test_exactly_the_filters_of_largest_l1_norm_stay_in_a_residual_block(ratio: float) -> None:
    shallow = shallow_of("resnet20")
    pruned = prune(shallow, ratio, SHAPE)
    for before, after in zip(list(shallow)[1:], list(pruned)[1:], strict=True):
        keep = before.conv1.out_channels - int(ratio * before.conv1.out_channels)
        largest = filter_scores(before.conv1).argsort(descending=True)[:keep].sort().values
        assert torch.equal(after.conv1.weight, before.conv1.weight[largest])
        assert torch.equal(after.bn1.running_mean, before.bn1.running_mean[largest])
        assert torch.equal(after.bn1.weight, before.bn1.weight[largest])
        assert torch.equal(after.conv2.weight, before.conv2.weight[:, largest])


def test_exactly_the_filters_of_largest_l1_norm_stay_along_a_chain() -> None:
    shallow = shallow_of("allcnn")
    pruned = prune(shallow, 0.5, SHAPE)
    inputs = torch.arange(3)
    for index, (before, after) in enumerate(zip(shallow, pruned, strict=True)):
        width = before.conv.out_channels
        last = index == len(shallow) - 1
        scores = filter_scores(before.conv)
        kept = torch.arange(width) if last else scores.argsort(descending=True)[: width // 2].sort().values
        assert torch.equal(after.conv.weight, before.conv.weight[kept][:, inputs])
        inputs = kept


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_pruned_shallow_part_feeds_the_shared_deep_part_with_the_same_shape(architecture: str) -> None:
    shallow = shallow_of(architecture)
    before = {name: tensor.clone() for name, tensor in published_state(shallow).items()}
    pruned = prune(shallow, 0.5, SHAPE)
    images = torch.randn(2, *SHAPE)
    assert pruned(images).shape == shallow(images).shape
    assert sum(p.numel() for p in pruned.parameters()) < 0.6 * sum(p.numel() for p in shallow.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in published_state(shallow).items())


def test_residual_streams_keep_their_width() -> None:
    pruned = prune(shallow_of("resnet20"), 0.5, SHAPE)
    assert [block.conv2.out_channels for block in list(pruned)[1:]] == [16] * 3 + [32] * 3 + [64] * 3
    assert pruned[0].conv1.out_channels == 16


def test_a_ratio_of_zero_keeps_every_bit() -> None:
    shallow = shallow_of("resnet20")
    kept = published_state(prune(shallow, 0.0, SHAPE))
    assert all(torch.equal(tensor, kept[name]) for name, tensor in published_state(shallow).items())


def test_grouped_convolutions_are_left_alone() -> None:
    block = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 4, 1)
    )
    pruned = prune(Network([block], ["0"]).frozen(), 0.5, SHAPE)
    assert [layer.out_channels for layer in pruned[0]] == [8, 8, 4]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_pruned_part_rebuilt_from_its_tensors_answers_bit_for_bit_alike(architecture: str) -> None:
    shallow = shallow_of(architecture)
    pruned = prune(shallow, 0.5, SHAPE)
    rebuilt = rebuild(shallow, published_state(pruned))
    images = torch.randn(2, *SHAPE)
    assert torch.equal(rebuilt(images), pruned(images))
    assert published_state(rebuilt).keys() == published_state(pruned).keys()
    assert rebuilt[1 if architecture != "allcnn" else 0] is not shallow[0]


def test_tensors_of_another_structure_are_refused_by_name() -> None:
    shallow = shallow_of("resnet20")
    tensors = published_state(shallow)
    with pytest.raises(
        InvalidInputError, match=r"conv1.weight of shape \[3\] cannot stand for \[16, 3, 3, 3\]"
    ):
        rebuild(shallow, {**tensors, "conv1.weight": torch.zeros(3)})
    with pytest.raises(InvalidInputError, match=r"layer2.2.bn2.bias of shape \[32\] is missing"):
        rebuild(shallow, {name: value for name, value in tensors.items() if name != "layer2.2.bn2.bias"})


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 2.0, float("nan")])
def test_a_ratio_that_is_no_share_is_refused(ratio: float) -> None:
    with pytest.raises(InvalidInputError, match=r"prune_ratio: .* is no share of filters"):
        prune(shallow_of("resnet20"), ratio, SHAPE)
