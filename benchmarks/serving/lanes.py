"""A batch by all lanes of an engine at once, as the service has it answered, without the service."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from app.inference.engine import Engine, ServedNet
from app.inference.nets import Probabilities
from app.lirf.data.images import Pixels


def on_all_lanes(engine: Engine, served: ServedNet) -> Callable[[Pixels], Probabilities]:
    """A function of images [N, C, H, W]; one image has the whole engine for itself."""
    pool = ThreadPoolExecutor(engine.lanes, "lane")

    def answer(images: Pixels) -> Probabilities:
        most = min(engine.largest_batch, math.ceil(len(images) / engine.lanes))
        pieces = [images[start : start + most] for start in range(0, len(images), most)]
        if len(pieces) == 1:
            return engine.answer(served, images)
        return np.concatenate(list(pool.map(lambda piece: engine.answer(served, piece), pieces)))

    return answer
