import copy

import torch
from torch import nn

from app.lirf.whitening import Whitened, inverse_root


def convolution() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)).eval()


def test_the_inverse_root_turns_correlated_inputs_into_ones_of_even_size() -> None:
    mixing = torch.tensor([[3.0, 0.0], [2.9, 0.4]])
    rows = torch.randn(4000, 2) @ mixing.T
    assert condition(rows) > 100
    assert condition(rows @ inverse_root(rows)) < 0.2 * condition(rows)


def condition(rows: torch.Tensor) -> float:
    values = torch.linalg.eigvalsh(rows.T @ rows)
    return float(values[-1] / values[0])


def test_parameters_are_a_shadow_per_kernel_and_all_others_themselves() -> None:
    part = convolution()
    whitened = Whitened([part], torch.randn(8, 3, 6, 6), torch.Generator().manual_seed(0))
    assert [tuple(parameter.shape) for parameter in whitened.parameters] == [(4, 3, 3, 3), (4,), (4,), (4,)]
    assert whitened.parameters[0] is not part[0].weight
    assert whitened.parameters[1] is part[0].bias


def test_a_step_on_the_shadow_is_a_preconditioned_step_of_the_kernel() -> None:
    part = convolution()
    images = torch.randn(8, 3, 6, 6).abs()
    before = copy.deepcopy(part)
    whitened = Whitened([part], images, torch.Generator().manual_seed(0))
    optimiser = torch.optim.SGD(whitened.parameters, lr=1e-3)
    part(images).square().mean().backward()
    plain = part[0].weight.grad.clone()
    whitened.before_step()
    optimiser.step()
    whitened.after_step()
    change = part[0].weight.detach() - before[0].weight
    root = whitened._kernels[0][2]
    assert torch.allclose(change.flatten(1), -1e-3 * plain.flatten(1) @ root @ root, atol=1e-6)
    assert not torch.allclose(change, -1e-3 * plain, atol=1e-5)
    assert part[0].weight.grad is None


def test_frozen_kernels_stay_out_and_as_they_are() -> None:
    part = convolution()
    part[0].weight.requires_grad_(False)
    whitened = Whitened([part], torch.randn(8, 3, 6, 6), torch.Generator().manual_seed(0))
    assert len(whitened.parameters) == 3
