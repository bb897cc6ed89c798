import random

import numpy as np
import pytest
import torch
from torch import Tensor

from app.lirf.augmentation import flip, shift
from app.lirf.config import Progress, TrainConfig
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import accuracy, logits
from app.lirf.networks import InputSpec, Network, create, published_state
from app.lirf.surrogates import KINDS, surrogates
from app.lirf.train import seed_everything, train


def test_the_original_learns_real_handwritten_digits(
    original: Network, spec: InputSpec, digits: tuple[Tensor, ...]
) -> None:
    assert accuracy(logits(original, digits[2], spec), digits[3]) >= 97
    assert not original.training
    assert not any(parameter.requires_grad for parameter in original.parameters())


def test_training_follows_its_seed_and_reports_each_step(spec: InputSpec, digits: tuple[Tensor, ...]) -> None:
    def run(seed: int) -> tuple[dict[str, Tensor], list[Progress]]:
        seed_everything(seed)
        seen: list[Progress] = []
        config = TrainConfig(epochs=2, batch_size=32, shift=1, flip=True, seed=seed)
        net = train(create("resnet20", 10), spec, digits[0][:64], digits[1][:64], config, on_step=seen.append)
        return published_state(net), seen

    first, seen = run(1)
    again, _ = run(1)
    other, _ = run(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["linear.weight"], other["linear.weight"])
    assert [progress.step for progress in seen] == [1, 2, 3, 4]
    assert seen[-1].steps == 4
    assert all(progress.losses["total"] > 0 for progress in seen)


def test_seeding_reaches_python_numpy_and_torch() -> None:
    def draw() -> tuple[float, float, float]:
        seed_everything(7)
        return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002

    assert draw() == draw()


def test_training_that_diverges_says_so(spec: InputSpec, digits: tuple[Tensor, ...]) -> None:
    with pytest.raises(InvalidInputError, match=r"config\.learning_rate: the loss is (nan|inf) after step"):
        train(
            create("resnet20", 10),
            spec,
            digits[0][:64],
            digits[1][:64],
            TrainConfig(learning_rate=1e30, epochs=9),
        )


@pytest.mark.parametrize(
    ("count", "labels", "message"),
    [
        (0, torch.zeros(0).long(), "there are no images"),
        (3, torch.tensor([0, 1]), "for 3 images"),
        (2, torch.tensor([0, 10]), "class 10 is outside 0..9"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    spec: InputSpec, count: int, labels: Tensor, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        train(create("resnet20", 10), spec, torch.zeros(count, 3, 8, 8).byte(), labels, TrainConfig())


def test_a_training_without_epochs_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"config\.epochs: 0 is out of range"):
        TrainConfig(epochs=0)


def test_a_shift_moves_pixels_and_repeats_the_border() -> None:
    images = torch.arange(9.0).view(1, 1, 3, 3).repeat(200, 1, 1, 1)
    moved = shift(images, 1, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    assert set(moved.unique().tolist()) == set(range(9))
    assert {tuple(image.flatten().tolist()) for image in moved[:, 0]} >= {
        tuple(float(v) for v in range(9)),
        (0.0, 0.0, 1.0, 3.0, 3.0, 4.0, 6.0, 6.0, 7.0),
    }
    assert len({tuple(image.flatten().tolist()) for image in moved[:, 0]}) == 9
    assert shift(images, 0, torch.Generator()) is images


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    images = torch.arange(4.0).view(1, 1, 1, 4).repeat(400, 1, 1, 1)
    mirrored = (flip(images, torch.Generator().manual_seed(0))[:, 0, 0, 0] == 3).float().mean()
    assert 0.4 < mirrored < 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_a_surrogate_keeps_the_shape_and_comes_from_the_given_images_alone(kind: str) -> None:
    images = torch.rand(12, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    made = KINDS[kind](images, torch.Generator().manual_seed(0))
    assert made.shape == images.shape
    assert made.min() >= images.min()
    assert made.max() <= images.max()
    assert not torch.equal(made, images)


def test_a_patch_mix_takes_each_quadrant_from_one_image() -> None:
    images = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 1, 4, 4)
    mixed = KINDS["patch_mix"](images, torch.Generator().manual_seed(0))
    for top in (slice(0, 2), slice(2, 4)):
        for left in (slice(0, 2), slice(2, 4)):
            quadrant = mixed[:, 0, top, left].flatten(1)
            assert bool((quadrant == quadrant[:, :1]).all())
            assert sorted(quadrant[:, 0].tolist()) == list(range(8))


def test_a_turned_crop_comes_from_one_image_and_shows_a_part_of_it_enlarged() -> None:
    flat = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 6, 6)
    assert torch.allclose(KINDS["turned_crop"](flat, torch.Generator().manual_seed(0)), flat, atol=1e-5)
    stripes = (torch.arange(32) % 2).float().expand(64, 1, 32, 32)
    shown = KINDS["turned_crop"](stripes, torch.Generator().manual_seed(0))
    steps = torch.cat(
        [(shown.diff(dim=axis)).flatten(1).abs().mean(dim=1)[:, None] for axis in (2, 3)], dim=1
    )
    assert float(steps.max()) < 0.7
    assert float(steps.sum(dim=1).min()) > 0.1


@pytest.mark.parametrize("count", [1, 5, 8])
def test_kinds_share_a_batch_of_any_size(count: int) -> None:
    images = torch.rand(count, 3, 7, 5)
    assert surrogates(images, tuple(KINDS), torch.Generator().manual_seed(0)).shape == images.shape
