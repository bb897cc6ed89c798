from collections.abc import Callable

import pytest
import torch

from app.lirf.checkpoint import write_safetensors
from app.lirf.networks import create, published_state
from app.lirf.train import seed_everything


@pytest.fixture(scope="session")
def weights() -> Callable[..., bytes]:
    """Safetensors of an untrained ResNet-20 for grey images; ``change`` edits its tensors first."""

    def make(change: Callable[[dict[str, torch.Tensor]], object] | None = None, classes: int = 10) -> bytes:
        seed_everything(0)
        tensors = dict(published_state(create("resnet20", classes, 1)))
        if change is not None:
            change(tensors)
        return write_safetensors(tensors)

    return make
