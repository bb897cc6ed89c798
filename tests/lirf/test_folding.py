import copy

import pytest
import torch
from torch import nn

from app.lirf.folding import FoldedConvolution, folded
from app.lirf.networks import Network, create


def settled(architecture: str) -> Network:
    """A network whose running statistics are not the initial ones."""
    torch.manual_seed(0)
    net = create(architecture, 5, 3)
    with torch.no_grad():
        for _ in range(3):
            net.train()(2 + 3 * torch.randn(16, 3, 16, 16))
    return net.eval()


@pytest.mark.parametrize("architecture", ["resnet20", "resnet18-cifar", "resnet50-cifar", "allcnn"])
def test_a_folded_network_answers_alike_and_has_no_batch_norm_left_to_run(architecture: str) -> None:
    net = settled(architecture)
    twin = folded(net)
    images = torch.randn(4, 3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(twin(images), net(images), rtol=1e-3, atol=1e-4)
    called = [node.target for block in twin for node in block.graph.nodes if node.op == "call_module"]
    kinds = [type(block.get_submodule(name)) for block, name in pairs(twin)]
    assert called
    assert nn.BatchNorm2d not in kinds
    assert FoldedConvolution in kinds


def pairs(twin: Network) -> list[tuple[nn.Module, str]]:
    return [
        (block, str(node.target)) for block in twin for node in block.graph.nodes if node.op == "call_module"
    ]


def test_gradients_reach_the_parameters_of_the_network_itself_and_are_the_same() -> None:
    net = settled("resnet20")
    other = copy.deepcopy(net)
    images = torch.randn(4, 3, 16, 16)
    folded(net)(images).square().sum().backward()
    other(images).square().sum().backward()
    for (name, first), second in zip(net.named_parameters(), other.parameters(), strict=True):
        assert first.grad is not None, name
        assert torch.allclose(
            first.grad, second.grad, rtol=1e-2, atol=1e-2 * float(second.grad.abs().max())
        ), name


class Undecided(nn.Module):
    """A block whose path depends on its input, which no tracer can follow."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


def test_a_block_that_cannot_be_traced_is_used_as_it_is() -> None:
    block = Undecided()
    assert next(iter(folded(Network([block], [""])))) is block


def test_a_batch_norm_without_a_convolution_before_it_stays() -> None:
    block = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3)).eval()
    with torch.no_grad():
        block[3].running_mean.fill_(0.5)
    twin = folded(Network([block], [""]))
    images = torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        assert torch.allclose(twin(images), block(images))
