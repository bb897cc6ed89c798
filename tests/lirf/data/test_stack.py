from collections.abc import Callable

import pytest
import torch

from app.lirf.data.images import decode
from app.lirf.data.stack import ImageStack
from app.lirf.errors import InvalidInputError


def test_images_keep_their_order_over_batches_and_threads(encode: Callable[..., bytes]) -> None:
    cells = [encode(seed) for seed in range(300)]
    with ImageStack(300) as stack:
        stack.add(cells[:170], [f"img[{row}]" for row in range(170)])
        stack.add(cells[170:], [f"img[{row}]" for row in range(170, 300)])
        images = stack.images()
    assert torch.equal(images, torch.stack([decode(cell) for cell in cells]))


def test_the_first_row_of_another_shape_is_named(encode: Callable[..., bytes]) -> None:
    cells = [encode(0), encode(1), encode(2, size=(5, 4)), encode(3, size=(9, 9))]
    with ImageStack(4) as stack, pytest.raises(InvalidInputError) as refusal:
        stack.add(cells, [f"img[{row}]" for row in range(4)])
    assert refusal.value.field == "img[2]"
    assert "(3, 4, 5)" in refusal.value.problem
    assert "(3, 4, 6)" in refusal.value.problem


def test_grey_among_colours_is_another_shape(encode: Callable[..., bytes]) -> None:
    with ImageStack(2) as stack, pytest.raises(InvalidInputError, match=r"\(1, 4, 6\)"):
        stack.add([encode(0), encode(1, mode="L")], ["a", "b"])


def test_more_pixels_than_allowed_are_refused_at_the_first_image(encode: Callable[..., bytes]) -> None:
    with (
        ImageStack(1000, max_bytes=71_999) as stack,
        pytest.raises(InvalidInputError, match="72,000") as refusal,
    ):
        stack.add([encode(0)], ["dataset.img[0]"])
    assert refusal.value.field == "dataset"


def test_no_images_is_an_empty_stack() -> None:
    with ImageStack(3) as stack:
        stack.add([], [])
        assert stack.images().numel() == 0
