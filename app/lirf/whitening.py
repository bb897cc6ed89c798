"""Training in whitened coordinates: a step changes what a layer answers, not how large its inputs are.

The inputs of a convolution after ReLU point almost the same way, so plain steps on its kernel mostly move the mean
of its answer. With Σ the second moments of the inputs and P = (Σ/mean + ε)^(-1/2), the kernel is W = W0 + V·P and
the optimiser sees V: the input half of K-FAC (Martens and Grosse, 1503.05671), with Σ taken once.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from app.lirf.inputs import patches, recorded, refittable, some_places

PLACES = 40_000
DAMPING = 0.03


class Whitened:
    """Parameters for an optimiser in place of the modules' own: V for each plain convolution, the rest as is.

    Attributes:
        parameters: hand these to the optimiser.
    """

    def __init__(self, parts: Iterable[nn.Module], inputs: Tensor, generator: torch.Generator) -> None:
        """Read the second moments from one pass of ``inputs`` [N, C, H, W] through each part."""
        self.parameters: list[nn.Parameter] = []
        self._kernels: list[tuple[Tensor, Tensor, Tensor, nn.Parameter]] = []
        for part in parts:
            self._add(part, inputs, generator)

    def before_step(self) -> None:
        """Turn the kernels' gradients into gradients of V: ∂L/∂V = ∂L/∂W · P."""
        for kernel, _, root, shadow in self._kernels:
            if kernel.grad is not None:
                shadow.grad = (kernel.grad.flatten(1) @ root).reshape(kernel.shape)

    @torch.no_grad()
    def after_step(self) -> None:
        """W = W0 + V·P."""
        for kernel, origin, root, shadow in self._kernels:
            kernel.copy_(origin + (shadow.flatten(1) @ root).reshape(kernel.shape))
            kernel.grad = None

    def _add(self, part: nn.Module, inputs: Tensor, generator: torch.Generator) -> None:
        layers = {
            name: layer
            for name, layer in part.named_modules()
            if isinstance(layer, nn.Conv2d) and refittable(layer) and layer.weight.requires_grad
        }
        with torch.no_grad(), recorded(layers) as seen:
            part(inputs)
        taken = set()
        for name, layer in layers.items():
            given, answer = seen[name]
            rows = patches(layer, given, some_places(answer, PLACES, generator))
            shadow = nn.Parameter(torch.zeros_like(layer.weight))
            self._kernels.append((layer.weight, layer.weight.detach().clone(), inverse_root(rows), shadow))
            self.parameters.append(shadow)
            taken.add(id(layer.weight))
        self.parameters += [
            parameter
            for parameter in part.parameters()
            if parameter.requires_grad and id(parameter) not in taken
        ]


def inverse_root(rows: Tensor) -> Tensor:
    """(Σ/mean + ε)^(-1/2) of the rows' second moments Σ, scaled so that its rows have unit norm on average."""
    few = len(rows) < rows.shape[1]
    exact = rows.double() if few else rows  # in float32 eigh may fail where most eigenvalues are equal, at 0
    moments = exact.T @ exact / len(rows)
    values, vectors = torch.linalg.eigh(moments / moments.diagonal().mean().clamp_min(1e-12))
    root: Tensor = (vectors * (values.clamp_min(0) + DAMPING).rsqrt()) @ vectors.T
    scale = root.square().sum(dim=1).mean().sqrt()
    return (root / scale).to(rows.dtype)
