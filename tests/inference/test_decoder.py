"""A batch of encoded images: all of them as the network reads them, or the first that does not fit."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from app.inference import decoder as module
from app.inference.decoder import Decoder
from app.lirf.data.images import Pixels, encode_png
from app.lirf.errors import InvalidInputError
from app.lirf.networks import InputSpec

SPEC = InputSpec(1, 8, 8, (0.5,), (0.5,))
WORKERS = 2


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    made = Decoder(WORKERS)
    yield made
    made.close()


def some_images(count: int, size: int = 8) -> Tensor:
    chance = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 1, size, size), dtype=torch.uint8, generator=chance)


@pytest.mark.parametrize("count", [1, 16, 17, 100])
def test_images_come_in_their_order(decoder: Decoder, count: int) -> None:
    images = some_images(count)
    assert np.array_equal(
        decoder.batch([encode_png(image) for image in images], SPEC, "images.{row}"), images.numpy()
    )


def test_grey_images_are_replicated_for_a_network_of_three_channels(decoder: Decoder) -> None:
    (image,) = some_images(1)
    spec = InputSpec(3, 8, 8, (0.5,) * 3, (0.5,) * 3)
    assert np.array_equal(decoder.batch([encode_png(image)], spec, "image")[0], image.expand(3, 8, 8).numpy())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (b"", "is empty"),
        (encode_png(some_images(1)[0])[:60], "damaged"),
        (encode_png(some_images(1, 9)[0]), "9 × 9"),
    ],
)
def test_an_image_that_does_not_fit_is_named_by_its_row(decoder: Decoder, wrong: bytes, words: str) -> None:
    right = [encode_png(image) for image in some_images(30)]
    with pytest.raises(InvalidInputError, match=words) as refusal:
        decoder.batch([*right[:20], wrong, *right[20:]], SPEC, "images.{row}")
    assert refusal.value.field == "images.20"


def test_no_more_images_are_decoded_at_once_than_there_are_workers(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, most, lock = 0, 0, threading.Lock()

    def slow(data: bytes, *, field: str, max_pixels: int) -> Pixels:
        nonlocal at_once, most
        assert data
        assert field
        assert max_pixels
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.005)
        with lock:
            at_once -= 1
        return some_images(1)[0].numpy()

    monkeypatch.setattr(module, "decode_pixels", slow)
    asking = [
        threading.Thread(target=decoder.batch, args=([b"image"] * 20, SPEC, "images.{row}")) for _ in range(8)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert most == WORKERS
