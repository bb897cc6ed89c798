import math

import torch

from app.lirf.framing import covered, framed, hole_corners, moved

IMAGES = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
NOTHING = torch.zeros(6)


def test_a_whole_upright_frame_shows_the_image_itself() -> None:
    assert torch.allclose(framed(IMAGES, NOTHING + 1, NOTHING, torch.zeros(6, 2)), IMAGES, atol=1e-5)


def test_a_half_turn_shows_the_image_upside_down() -> None:
    turned = framed(IMAGES, NOTHING + 1, NOTHING + math.pi, torch.zeros(6, 2))
    assert torch.allclose(turned, IMAGES.flip(2, 3), atol=1e-4)


def test_a_frame_of_half_a_side_enlarges_its_quarter() -> None:
    upper_left = framed(IMAGES, NOTHING + 0.5, NOTHING, torch.full((6, 2), -0.5))
    assert torch.allclose(upper_left.mean(dim=(2, 3)), IMAGES[:, :, :4, :4].mean(dim=(2, 3)), atol=0.05)


def test_moved_images_stay_near_what_they_were_and_repeat_with_their_seed() -> None:
    smooth = torch.linspace(0, 1, 32).expand(4, 1, 32, 32)
    shown = moved(smooth, torch.Generator().manual_seed(3))
    assert 0 < float((shown - smooth).abs().mean()) < 0.15
    assert torch.equal(shown, moved(smooth, torch.Generator().manual_seed(3)))


def test_a_hole_takes_a_quarter_of_each_side_and_leaves_the_rest() -> None:
    images = torch.ones(50, 3, 32, 16)
    corners = hole_corners(images, torch.Generator().manual_seed(0))
    shown = covered(images, corners)
    assert bool(((shown == 0).sum(dim=(1, 2, 3)) == 3 * 8 * 4).all())
    assert int(corners[:, 0].max()) <= 24
    assert int(corners[:, 1].max()) <= 12
    top, left = corners[0].tolist()
    assert float(shown[0, :, top : top + 8, left : left + 4].abs().max()) == 0
    assert len(corners.unique(dim=0)) > 20
