"""The faster twin answers as the net does, and what cannot be traced is served as it is."""

import copy

import pytest
import torch
from torch import Tensor, nn

from app.inference.fusing import fused
from app.lirf.config import DepositConfig
from app.lirf.deposit import deposit
from app.lirf.deposit_set import DepositSet
from app.lirf.networks import InputSpec, Network, create, default_split
from app.lirf.recover import RecoverNet
from app.lirf.train import seed_everything

from .warmed import warmed

SPEC = InputSpec(3, 32, 32, (0.5,) * 3, (0.25,) * 3)


def norms(net: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in net.modules())


@pytest.mark.parametrize("architecture", ["resnet20", "allcnn", "resnet18-cifar"])
def test_a_target_answers_as_before_without_any_batch_norm(architecture: str) -> None:
    seed_everything(0)
    plain = RecoverNet(warmed(create(architecture, 10)))
    images = torch.randn(8, *SPEC.shape, generator=torch.Generator().manual_seed(2))
    twin = fused(copy.deepcopy(plain))
    with torch.inference_mode():
        expected, told = plain(images), twin(images)
    assert float((told - expected).abs().max()) < 1e-4 * max(1.0, float(expected.abs().max()))
    assert torch.equal(told.argmax(dim=1), expected.argmax(dim=1))
    assert norms(twin) == 0
    assert not any(parameter.requires_grad for parameter in twin.parameters())


def test_a_recover_net_with_pruned_branches_answers_as_before() -> None:
    seed_everything(0)
    pixels = torch.randint(0, 256, (24, *SPEC.shape), dtype=torch.uint8)
    sets = [
        DepositSet(pixels[:12], torch.full((12,), 3), (3,)),
        DepositSet(pixels[12:], torch.arange(12) % 2, None),
    ]
    config = DepositConfig(epochs=1, min_steps=1, batch_size=8)
    done = deposit(warmed(create("resnet20", 10)), SPEC, default_split("resnet20"), sets, config)
    plain = RecoverNet(done.target, done.modules)
    images = SPEC.normalise(pixels)
    with torch.inference_mode():
        expected = plain(images)
        told = fused(plain)(images)
    assert torch.allclose(told, expected, atol=1e-3, rtol=1e-4)
    assert torch.equal(told.argmax(dim=1), expected.argmax(dim=1))


class OnValues(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if float(x.sum()) > 0 else -x


class OnLength(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if len(x) > 1 else -x


class OnShape(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.shape[1] > 3 else -x


class InALoop(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([row * 2 for row in x])


@pytest.mark.parametrize("branching", [OnValues, OnLength, OnShape, InALoop])
def test_a_part_that_cannot_be_traced_is_served_as_it_is(branching: type[nn.Module]) -> None:
    blocks = [
        nn.Sequential(nn.Conv2d(3, 4, 3), branching()),
        nn.Sequential(nn.Flatten(), nn.Linear(4 * 900, 10)),
    ]
    plain = RecoverNet(Network(blocks, ["", ""]).eval())
    images = torch.randn(2, *SPEC.shape)
    with torch.inference_mode():
        expected = plain(images)
        assert torch.allclose(fused(plain)(images), expected, atol=1e-5)
