import copy

import pytest
import torch
from torch import Tensor

from app.lirf.networks import Network, create, default_split, published_state
from app.lirf.pruning import prune_and_tell
from app.lirf.reconstruction import least_squares, reconstruct


def shallow_of(architecture: str) -> Network:
    torch.manual_seed(0)
    net = create(architecture, 5, 3)
    with torch.no_grad():
        net.train()(torch.randn(32, 3, 16, 16))
    return net.eval().part(0, default_split(architecture))


def error(pruned: Network, shallow: Network, images: Tensor) -> float:
    with torch.no_grad():
        wanted = shallow(images)
        return float((pruned(images) - wanted).square().mean() / wanted.square().mean())


@pytest.mark.parametrize("architecture", ["resnet20", "resnet18-cifar", "resnet50-cifar", "allcnn"])
def test_a_reconstructed_module_answers_nearer_to_the_unpruned_one_on_images_it_never_saw(
    architecture: str,
) -> None:
    shallow = shallow_of(architecture)
    pruned, kept = prune_and_tell(shallow, 0.5, (3, 16, 16))
    unseen, seen = torch.randn(2, 48, 3, 16, 16).unbind()
    before = error(pruned, shallow, unseen)
    widths = [tuple(tensor.shape) for tensor in published_state(pruned).values()]
    reconstruct(pruned, shallow, kept, seen, torch.Generator().manual_seed(0))
    assert error(pruned, shallow, unseen) < 0.95 * before
    assert [tuple(tensor.shape) for tensor in published_state(pruned).values()] == widths


def test_nothing_pruned_is_left_as_it_is() -> None:
    shallow = shallow_of("resnet20")
    pruned, kept = prune_and_tell(shallow, 0.0, (3, 16, 16))
    before = copy.deepcopy(published_state(pruned))
    reconstruct(pruned, shallow, kept, torch.randn(8, 3, 16, 16), torch.Generator().manual_seed(0))
    assert kept == {}
    assert all(torch.equal(tensor, before[name]) for name, tensor in published_state(pruned).items())


def test_least_squares_finds_the_map_that_made_the_answers() -> None:
    rows, map_ = torch.randn(400, 6), torch.randn(6, 3)
    assert torch.allclose(least_squares(rows, rows @ map_), map_, atol=2e-2)
    assert least_squares(torch.zeros(5, 6), torch.zeros(5, 3)).isfinite().all()
