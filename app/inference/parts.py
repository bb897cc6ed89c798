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
        self.output_shape = tuple(size.get_length() for size in list(model.output().partial_shape)[1:])
        """Of one row."""
        self._copies = model.input().partial_shape.is_static
        self._requests = threading.local()

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


class Lanes:
    """The same part for several batches beside one another, each of which is computed by the thread that brings it.

    Args:
        parts: one for each thread; another thread waits for one of these.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._busy = [threading.Lock() for _ in parts]
        self._last = threading.local()
        self.output_shape = parts[0].output_shape

    def __call__(self, rows: npt.NDArray[Any]) -> Array:
        """Answers to rows, of this thread's own."""
        lane = self._taken()
        try:
            return np.copy(self._parts[lane](rows))
        finally:
            self._busy[lane].release()

    def _taken(self) -> int:
        """The place of a lane that is free: if it can be the one that this thread's core has in its cache."""
        last: int = getattr(self._last, "lane", 0)
        free = (lane for lane in (last, *range(len(self._parts))) if self._busy[lane].acquire(blocking=False))
        lane = next(free, None)
        if lane is None:
            lane = last
            self._busy[lane].acquire()
        self._last.lane = lane
        return lane


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
