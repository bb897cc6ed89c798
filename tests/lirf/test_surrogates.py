import torch
from torch import Tensor

from app.lirf.evaluation import class_mask
from app.lirf.networks import InputSpec, Network
from app.lirf.surrogates import disguise

Digits = tuple[Tensor, Tensor, Tensor, Tensor]
KEPT = tuple(index for index in range(10) if index not in (3, 8))


def test_a_disguise_moves_the_originals_answer_towards_preserved_classes(
    original: Network, spec: InputSpec, digits: Digits
) -> None:
    images = spec.normalise(digits[0][class_mask(digits[1], (3, 8))][:64])
    small, large = (disguise(images, original, KEPT, size, chance()) for size in (0.05, 0.5))
    with torch.no_grad():
        shares = [
            float(original(inputs).softmax(dim=1)[:, list(KEPT)].sum(dim=1).mean())
            for inputs in (images, small, large)
        ]
    assert shares[0] < shares[1] < shares[2]
    assert shares[0] < 0.1
    assert shares[2] > 0.3


def test_a_disguise_changes_each_image_by_the_size_it_was_given_and_nothing_else(
    original: Network, spec: InputSpec, digits: Digits
) -> None:
    images = spec.normalise(digits[0][:16])
    before = images.clone()
    moved = disguise(images, original, KEPT, 0.2, chance())
    assert torch.allclose((moved - images).square().mean(dim=(1, 2, 3)).sqrt(), torch.full((16,), 0.2))
    assert torch.equal(images, before)
    assert not moved.requires_grad
    assert torch.equal(moved, disguise(images, original, KEPT, 0.2, chance()))
    assert not torch.equal(moved, disguise(images, original, KEPT, 0.2, chance(1)))


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
