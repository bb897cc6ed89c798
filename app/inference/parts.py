"""Compiled nets at work: parts, each of which reads what the one before it answers."""

import math
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import openvino as ov

from app.inference.nets import Probabilities
from app.lirf.data.images import Pixels

Array = npt.NDArray[np.float32]
Step: TypeAlias = Callable[[npt.NDArray[Any]], Array]


class Part:
    """One compiled piece: rows [N, ...] -> float32 [N or more, ...].

    Args:
        model: for any number of rows, or for exactly one.
    """

    def __init__(self, model: ov.CompiledModel) -> None:
        self._model = model
        self._copies = model.input().partial_shape.is_static
        self._requests = threading.local()

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of one row."""
        return tuple(dimension.get_length() for dimension in list(self._model.output().partial_shape)[1:])

    def __call__(self, rows: npt.NDArray[Any]) -> Array:
        """Answers to rows; good until this thread calls the same part again."""
        rows = rows if self._copies else _shareable(rows)
        request = self.given(rows)  # which may read them in place, so that they stay in memory by that name
        request.infer(share_outputs=True)  # or it copies them into a dictionary
        answers: Array = request.get_output_tensor().data
        return answers

    def given(self, rows: npt.NDArray[Any]) -> ov.InferRequest:
        """This thread's own request, with a copy of the one row in it, or with these rows themselves."""
        request: ov.InferRequest | None = getattr(self._requests, "own", None)
        if request is None:
            request = self._requests.own = self._model.create_infer_request()
        if self._copies:
            request.get_input_tensor().data[...] = rows
        else:
            request.set_input_tensor(ov.Tensor(rows, shared_memory=True))
        return request


class Beside:
    """Parts that read the same row at the same time; their answers stand one after the other.

    Args:
        parts: each for exactly one row, with threads of its own.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts

    def __call__(self, row: npt.NDArray[Any]) -> Array:
        first, *others = self._parts
        requests = [part.given(row) for part in others]
        for request in requests:
            request.start_async()
        try:
            answers = [first(row)]
        finally:
            for request in requests:
                request.wait()
        return np.concatenate([*answers, *(request.get_output_tensor().data for request in requests)])


class CompiledNet:
    """A target or recover net; see `ReadyNet`.

    Args:
        many: the steps from images to probabilities, the last of which makes an array of its own.
        one: those from exactly one image.
        pieces: see `ReadyNet`.
    """

    def __init__(self, many: Sequence[Step], one: Sequence[Step], pieces: Mapping[Hashable, int]) -> None:
        self._many = many
        self._one = one
        self.pieces = pieces
        self.pace = math.inf

    def probabilities(self, images: Pixels) -> Probabilities:
        first, *others = self._one if len(images) == 1 else self._many
        found = first(images)
        for step in others:
            found = step(found)
        return found


def _shareable(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """OpenVINO reads memory in place only if it is aligned, in the order of C, and could be written to."""
    return rows if rows.flags.carray else np.array(rows, order="C")
