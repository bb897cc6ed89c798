"""Each operation as PyTorch does it, and a refusal by name for what is not known."""

from collections.abc import Callable

import numpy as np
import openvino as ov
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from app.inference.lowering import ANY, NotLoweredError, features, lower, pixels
from app.lirf.networks import InputSpec

SPEC = InputSpec(3, 6, 5, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
CORE = ov.Core()


class Called(nn.Module):
    """A function of tensors as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def answer(part: nn.Module, rows: Tensor) -> Tensor:
    entry, value = features(rows.shape[1:])
    compiled = CORE.compile_model(
        ov.Model([lower(part, value)], [entry]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    return torch.from_numpy(compiled(rows.numpy())[0])


def warmed_norm(width: int, *, affine: bool = True) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(width, affine=affine)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.copy_(torch.linspace(-1, 1, width))
    norm.running_var.copy_(torch.linspace(0.5, 2, width))
    return norm


PARTS: dict[str, Callable[[], nn.Module]] = {
    "convolution": lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1),
    "oblong convolution": lambda: nn.Conv2d(4, 6, (3, 1), stride=(1, 2), padding=(1, 0), bias=False),
    "dilated convolution": lambda: nn.Conv2d(4, 6, 3, padding=2, dilation=2),
    "grouped convolution": lambda: nn.Conv2d(4, 8, 3, groups=2),
    "depthwise convolution": lambda: nn.Conv2d(4, 4, 3, groups=4, padding=1),
    "convolution and norm": lambda: nn.Sequential(nn.Conv2d(4, 6, 3), warmed_norm(6)),
    "norm alone": lambda: warmed_norm(4),
    "norm without weights": lambda: warmed_norm(4, affine=False),
    "activations": lambda: nn.Sequential(nn.ReLU(), nn.SiLU(), nn.Sigmoid(), nn.Identity(), nn.Dropout()),
    "max pooling": lambda: nn.MaxPool2d(3, stride=2, padding=1),
    "max pooling, rounded up": lambda: nn.MaxPool2d(2, ceil_mode=True),
    "average pooling": lambda: nn.AvgPool2d(3, stride=2, padding=1),
    "average pooling without its padding": lambda: nn.AvgPool2d(3, padding=1, count_include_pad=False),
    "average pooling, rounded up": lambda: nn.AvgPool2d(2, ceil_mode=True),
    "head": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)),
    "linear on every pixel": lambda: nn.Sequential(nn.Flatten(), nn.Linear(4 * 6 * 5, 3, bias=False)),
    "relu three ways": lambda: Called(lambda x: F.relu(x) + torch.relu(x) * x.relu()),
    "sums and products": lambda: Called(lambda x: torch.add(x, 1.5) * 2 + x.mul(x).add(x) + 3 * x),
    "sigmoids": lambda: Called(lambda x: torch.sigmoid(x) + x.sigmoid()),
    "means": lambda: Called(lambda x: torch.mean(x, 1, keepdim=True) + x.mean(dim=(2, 3), keepdim=True)),
    "mean of pixels": lambda: Called(lambda x: x.mean(dim=(2, 3))),
    "slices": lambda: Called(lambda x: x[:, 1:3, ::2, -2:]),
    "the whole of it": lambda: Called(lambda x: x[:]),
    "padding": lambda: Called(lambda x: F.pad(x, (1, 2, 0, 1, 3, 0))),
    "padding with a value": lambda: Called(lambda x: F.pad(x, (1, 0), "constant", 2.5)),
    "concatenation": lambda: Called(lambda x: torch.cat([x, -1 * x], 1)),
    "flattening": lambda: Called(lambda x: torch.flatten(x, 1)),
    "pooling by function": lambda: Called(lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1)),
}


@pytest.mark.parametrize("name", PARTS)
def test_an_operation_answers_as_in_pytorch(name: str) -> None:
    torch.manual_seed(0)
    part = PARTS[name]().eval()
    rows = torch.randn(2, 4, 6, 5)
    with torch.inference_mode():
        expected = part(rows)
    found = answer(part, rows)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=1e-5)


def test_pixels_are_normalised_as_the_network_reads_them() -> None:
    images = torch.randint(0, 256, (2, *SPEC.shape), dtype=torch.uint8)
    entry, value = pixels(SPEC, ANY)
    compiled = CORE.compile_model(ov.Model([value], [entry]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert np.allclose(compiled(images.numpy())[0], SPEC.normalise(images).numpy(), atol=1e-6)


class OnValues(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if float(x.sum()) > 0 else -1 * x


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "values": (OnValues, "OnValues cannot be traced"),
    "function": (lambda: Called(torch.erf), "no rule for erf"),
    "method": (lambda: Called(lambda x: x.cumsum(1)), "no rule for cumsum"),
    "module": (lambda: nn.Sequential(nn.GELU()), "no rule for GELU"),
    "reflected padding": (
        lambda: nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")),
        "reflect",
    ),
    "named padding": (lambda: nn.Sequential(nn.Conv2d(4, 4, 3, padding="same")), "same"),
    "padding by function": (lambda: Called(lambda x: F.pad(x, (1, 1), "replicate")), "padding by replicate"),
    "indices": (lambda: nn.Sequential(nn.MaxPool2d(2, return_indices=True)), "returns indices"),
    "divisor": (lambda: nn.Sequential(nn.AvgPool2d(2, divisor_override=3)), "divisor of its own"),
    "pooling to more": (lambda: nn.Sequential(nn.AdaptiveAvgPool2d(2)), "adaptive pooling to 2"),
    "norm of the batch": (
        lambda: nn.Sequential(nn.BatchNorm2d(4, track_running_stats=False)),
        "running statistics",
    ),
    "rows of the batch": (lambda: Called(lambda x: x[0]), "indexing by"),
    "part of the batch": (lambda: Called(lambda x: x[1:]), "indexing by"),
    "batches": (lambda: Called(lambda x: torch.cat([x, x])), "concatenation of batches"),
    "flatten all": (lambda: Called(lambda x: x.flatten()), "flatten from 0"),
    "an unknown argument": (
        lambda: Called(lambda x: torch.mean(x, 1, dtype=torch.float64)),
        "mean is called",
    ),
    "two tensors": (lambda: Called(lambda x: (x, x)), "more than one tensor"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_known_is_refused_by_name(name: str) -> None:
    part, told = REFUSED[name]
    _, value = features((4, 6, 5))
    with pytest.raises(NotLoweredError, match=told):
        lower(part().eval(), value)
