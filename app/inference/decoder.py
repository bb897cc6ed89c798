"""Encoded images to one batch, on as many threads as there are cores: decoding is bounded, however many ask."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from app.lirf.data.images import MAX_PIXELS, Pixels, decode_pixels, fit
from app.lirf.errors import InvalidInputError
from app.lirf.networks import InputSpec

IMAGES_PER_TASK = 16
SMALL_FILE = 16 * 1024
SMALL_PIXELS = 64 * 64


class Decoder:
    """Decodes for all requests of one process.

    Args:
        workers: images that are decoded at the same time; each may take some 40 MB for a moment.
    """

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")

    def batch(self, images: Sequence[bytes], spec: InputSpec, field: str) -> Pixels:
        """PNG, JPEG or WebP files to uint8 [N, C, H, W] of a network's shape.

        An image of another size is refused as soon as it is decoded, so that no batch of them is ever held.

        Args:
            images: encoded.
            spec: of the network.
            field: names an image in a refusal, with ``{row}`` for its number.

        Raises:
            InvalidInputError: the first image, in the order of decoding, that is damaged or does not fit.
        """
        batch = np.empty((len(images), *spec.shape), dtype=np.uint8)

        def fill(start: int) -> None:
            for row in range(start, min(start + IMAGES_PER_TASK, len(images))):
                batch[row] = _fitted(images[row], spec, field.format(row=row))

        tasks = [self._pool.submit(fill, start) for start in range(0, len(images), IMAGES_PER_TASK)]
        try:
            for task in tasks:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
        return batch

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def decode_small(data: bytes, spec: InputSpec) -> Pixels | None:
    """One small image as uint8 [1, C, H, W]; None if it is larger, damaged or does not fit.

    It takes some 50 µs, less than handing it to another thread.
    """
    if len(data) > SMALL_FILE or spec.height * spec.width > SMALL_PIXELS:
        return None
    try:
        return _fitted(data, spec, "image", SMALL_PIXELS)[np.newaxis]
    except InvalidInputError:
        return None


def fitted(pixels: Pixels, spec: InputSpec) -> Pixels:
    """Pixels [..., C, H, W] as a network reads them; raises as `fit`, which does what there is to do."""
    if pixels.shape[-3:] == spec.shape:
        return pixels
    answer: Pixels = fit(torch.tensor(pixels), *spec.shape).numpy()
    return answer


def _fitted(data: bytes, spec: InputSpec, field: str, max_pixels: int = MAX_PIXELS) -> Pixels:
    try:
        return fitted(decode_pixels(data, field=field, max_pixels=max_pixels), spec)
    except InvalidInputError as error:
        raise InvalidInputError(field, error.problem, error.remedy) from error
