"""What the engine asks of a net that is ready to serve."""

from collections.abc import Hashable, Mapping
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from app.lirf.data.images import Pixels

Probabilities: TypeAlias = npt.NDArray[np.float32]
"""[N, classes], softmax over classes."""


class ReadyNet(Protocol):
    """Answers images of one shape.

    Attributes:
        pace: seconds that one image took when it was made ready.
    """

    pace: float

    @property
    def pieces(self) -> Mapping[Hashable, int]:
        """Bytes in memory of each of its pieces, by a name that other nets give to the same piece."""

    def probabilities(self, images: Pixels) -> Probabilities:
        """Softmax over classes: uint8 images [N, C, H, W] -> float32 [N, classes]."""
