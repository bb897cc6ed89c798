"""A published network, compiled, answers the whole CIFAR-10 test set as eager PyTorch does."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from app.inference.compiled import Compiler
from app.lirf.checkpoint import read_torch_checkpoint
from app.lirf.data.parquet import read_parquet
from app.lirf.filters import LogitFilter
from app.lirf.module import DepositModule
from app.lirf.networks import InputSpec, create, default_split, load_published, published_state
from app.lirf.pruning import prune
from app.lirf.recover import RecoverNet
from app.lirf.rows import take_rows, without_rows

SHARED = Path(__file__).parents[3] / "shared"
CHECKPOINT = SHARED / "checkpoints" / "resnet20-12fca82f.th"
CIFAR10 = SHARED / "data" / "cifar10" / "test.parquet"
SPEC = InputSpec(3, 32, 32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
MOST_APART = 1e-4
LEAST_LOG_PROBABILITY = -80.0
"""What float32 can tell from never: of a class that was deposited."""
BATCH = 250


def nets() -> dict[str, RecoverNet]:
    net = load_published(create("resnet20", 10), read_torch_checkpoint(CHECKPOINT)).eval()
    split = default_split("resnet20")
    branch = published_state(prune(net.part(0, split), 0.5, SPEC.shape))
    module = DepositModule(branch | take_rows(net, (3, 5)), LogitFilter.of((3, 5)), split, 0.5)
    target = without_rows(net, (3, 5))
    return {
        "original": RecoverNet(net),
        "target": RecoverNet(target),
        "recover": RecoverNet(target, [module]),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["original", "target", "recover"])
def test_every_test_image_gets_the_same_answer(name: str) -> None:
    if not CHECKPOINT.exists() or not CIFAR10.exists():
        pytest.skip("the published ResNet-20 or CIFAR-10 is not on this machine")
    images: Tensor = read_parquet(CIFAR10).images
    net = nets()[name]
    ready = Compiler(torch.get_num_threads()).net(net, SPEC, object(), None)
    assert len(images) == 10_000
    for batch in images.split(BATCH):
        with torch.inference_mode():
            expected = net(SPEC.normalise(batch)).log_softmax(dim=1)
        found = torch.from_numpy(ready.probabilities(batch.numpy()))
        told = expected > LEAST_LOG_PROBABILITY
        assert float((found.log() - expected)[told].abs().max()) < MOST_APART
        assert not found[~told].any()
        assert torch.equal(found.argmax(dim=1), expected.argmax(dim=1))
