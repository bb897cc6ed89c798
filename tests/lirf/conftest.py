from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from app.lirf.config import DepositConfig, TrainConfig
from app.lirf.deposit import DepositResult, deposit
from app.lirf.deposit_set import DepositSet
from app.lirf.evaluation import class_mask
from app.lirf.networks import InputSpec, Network, create
from app.lirf.train import seed_everything, train

CHECKPOINTS = Path(__file__).parents[3] / "shared" / "checkpoints"
SPEC = InputSpec(3, 8, 8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
SPLIT = 7
CLASSES = (3, 8)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def spec() -> InputSpec:
    return SPEC


@pytest.fixture(scope="session")
def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Real handwritten digits: 1,437 training images and 360 test images, 8×8 grey as three channels."""
    source = load_digits()
    images = torch.tensor(source.images * (255 / 16)).round().to(torch.uint8)
    images = images[:, None].repeat(1, 3, 1, 1)
    labels = torch.tensor(source.target, dtype=torch.int64)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    fit, held_out = order[:1437], order[1437:]
    return images[fit], labels[fit], images[held_out], labels[held_out]


@pytest.fixture(scope="session")
def original(digits: tuple[Tensor, Tensor, Tensor, Tensor]) -> Network:
    torch.set_num_threads(1)
    seed_everything(0)
    net = create("resnet20", num_classes=10)
    return train(net, SPEC, digits[0], digits[1], TrainConfig(epochs=15, batch_size=64, shift=1))


@pytest.fixture(scope="session")
def deposit_set(digits: tuple[Tensor, Tensor, Tensor, Tensor]) -> DepositSet:
    images, labels, _, _ = digits
    mask = class_mask(labels, CLASSES)
    return DepositSet(images[mask], labels[mask], CLASSES)


@pytest.fixture(scope="session")
def deposited(original: Network, deposit_set: DepositSet) -> DepositResult:
    torch.set_num_threads(1)
    return deposit(original, SPEC, SPLIT, [deposit_set], DepositConfig())


@pytest.fixture
def brief() -> DepositConfig:
    """A deposit of a few steps, for what does not depend on learning."""
    return DepositConfig(epochs=1, min_steps=3, batch_size=32)


@pytest.fixture
def untrained() -> Network:
    """A network whose running statistics are not the initial ones."""
    seed_everything(3)
    net = create("resnet20", num_classes=10)
    net.train()(torch.randn(64, 3, 8, 8))
    return net.frozen()


@pytest.fixture
def small_set() -> DepositSet:
    chance = torch.Generator().manual_seed(5)
    images = torch.randint(0, 256, (64, 3, 8, 8), dtype=torch.uint8, generator=chance)
    return DepositSet(images, torch.tensor([3, 8] * 32), (3, 8))
