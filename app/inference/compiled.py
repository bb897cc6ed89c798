"""Nets compiled for the CPU by OpenVINO.

A net is its front, the target's shallow part and those of its branches on the same images; the deep part, which is held
once for all nets of a model and answers the target and all branches as one batch; and the classifier's few rows.
"""

import copy
import math
import threading
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino import opset14 as ops
from torch import fx, nn

from app.inference.lowering import (
    ANY,
    UNTRACEABLE,
    NotLoweredError,
    Value,
    constant,
    features,
    lower,
    pixels,
)
from app.inference.nets import Probabilities
from app.inference.rows import Rows
from app.inference.sharing import Shared
from app.lirf.data.images import Pixels
from app.lirf.networks import InputSpec, Network, classifier
from app.lirf.recover import RecoverNet

Array = npt.NDArray[np.float32]


SMALL_BYTES = 8 * 2**20
"""Weights up to which threads lose more by waiting for one another within a batch than by having one each. The first
part of such a net is also compiled for exactly one image on all threads, which spares it the question of how many."""


class Part:
    """One compiled piece: rows [N, ...] -> float32 [N, ...].

    Args:
        size: bytes of its weights.
        model: for any number of rows.
        single: for one row, or None.

    Attributes:
        bytes: of all that is compiled.
    """

    def __init__(self, size: int, model: ov.CompiledModel, single: ov.CompiledModel | None = None) -> None:
        self.bytes = size if single is None else 2 * size
        self._model = model
        self._single = single
        self._requests = threading.local()

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of one row."""
        return tuple(dimension.get_length() for dimension in list(self._model.output().partial_shape)[1:])

    def __call__(self, rows: npt.NDArray[np.generic]) -> Array:
        """Answers to rows; good until this thread calls the same part again."""
        if self._single is not None and len(rows) == 1:
            request = self._request("single", self._single)
            request.get_input_tensor().data[...] = rows
        else:
            request = self._request("any", self._model)
            rows = _shareable(rows)  # by this name it stays in memory until the pass is over
            request.set_input_tensor(ov.Tensor(rows, shared_memory=True))
        request.infer()
        answers: Array = request.get_output_tensor().data
        return answers

    def _request(self, name: str, model: ov.CompiledModel) -> ov.InferRequest:
        """This thread's own."""
        request: ov.InferRequest | None = getattr(self._requests, name, None)
        if request is None:
            request = model.create_infer_request()
            setattr(self._requests, name, request)
        return request


class CompiledNet:
    """A target or recover net of compiled parts; see `ReadyNet`.

    Args:
        parts: each reads what the one before it answers; the first one images.
        rows: read the last part's features; None if that answers probabilities itself.
        pieces: see `ReadyNet`.
    """

    def __init__(self, parts: Sequence[Part], rows: Rows | None, pieces: Mapping[Hashable, int]) -> None:
        self._parts = parts
        self._rows = rows
        self.pieces = pieces
        self.pace = math.inf

    def probabilities(self, images: Pixels) -> Probabilities:
        first, *others = self._parts
        found = first(images)
        for part in others:
            found = part(found)
        return found.copy() if self._rows is None else self._rows.probabilities(found)


class Compiler:
    """Compiles nets for the CPU.

    Args:
        threads: a small part runs as many batches beside one another, each on one of them, or one image on all; a large
            part runs one batch after the other on all of them.
    """

    def __init__(self, threads: int) -> None:
        self._core = ov.Core()
        self._threads = threads
        self._settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # the cores are shared with decoding, and often with a worker
        }
        self._deep_parts: Shared[Hashable, Part] = Shared()

    def net(self, net: RecoverNet, spec: InputSpec, deep_name: Hashable, head_name: Hashable) -> CompiledNet:
        """``net`` compiled.

        Args:
            net: composed.
            spec: what it reads.
            deep_name: the same for nets that hold the same deep part up to the head.
            head_name: the same for nets whose heads have the same weights before the classifier.

        Raises:
            NotLoweredError: it holds an operation that is not known here.
        """
        before_rows = _before_rows(net.head)
        deep = Network([*net.trunk, before_rows], [*net.trunk.prefixes, ""])
        shallow, rows = (net.shallow, *net.branches), Rows.of(net)
        if not _weights(deep):  # nothing to share: it rides along behind each shallow part
            whole = self._front(spec, [nn.Sequential(part, deep) for part in shallow], rows)
            return CompiledNet([whole], None, {id(whole): whole.bytes})
        front = self._front(spec, shallow)
        name = (deep_name, head_name if _weights(before_rows) else None)
        shared = self._deep_parts.get(name, lambda: self._deep(front.output_shape, deep))
        _require_features(shared.output_shape, rows)
        return CompiledNet([front, shared], rows, {id(front): front.bytes, name: shared.bytes})

    def _front(self, spec: InputSpec, parts: Sequence[nn.Module], rows: Rows | None = None) -> Part:
        """All parts on the same images, their answers one after the other: [N, C, H, W] -> [parts · N, ...].

        With ``rows``, which read them, it is a whole net: -> probabilities [N, classes].
        """

        def lowered(batch: int) -> ov.Model:
            entry, value = pixels(spec, batch)
            ends = [lower(part, value) for part in parts]
            return ov.Model([_classified(ends, rows) if rows else _joined(ends, 0)], [entry])

        size = sum(map(_weights, parts))
        single = self._compiled(lowered(1), lanes=1) if size <= SMALL_BYTES else None
        return Part(size, self._compiled(lowered(ANY), self._lanes_of(size)), single)

    def _deep(self, shape: tuple[int, ...], deep: Network) -> Part:
        entry, value = features(shape)
        size = _weights(deep)
        return Part(size, self._compiled(ov.Model([lower(deep, value)], [entry]), self._lanes_of(size)))

    def _lanes_of(self, size: int) -> int:
        return self._threads if size <= SMALL_BYTES else 1

    def _compiled(self, model: ov.Model, lanes: int) -> ov.CompiledModel:
        try:
            return self._core.compile_model(model, "CPU", {**self._settings, "NUM_STREAMS": lanes})
        except RuntimeError as error:
            raise NotLoweredError(f"OpenVINO refused it: {error}") from error


def _joined(values: Sequence[Value], axis: int) -> Value:
    return ops.concat(list(values), axis).output(0) if len(values) > 1 else values[0]


def _classified(features: Sequence[Value], rows: Rows) -> Value:
    """Probabilities [N, classes] of the parts' features [N, width]."""
    _require_features([one.get_length() for one in list(features[0].partial_shape)[1:]], rows)
    logits = ops.matmul(_joined(features, 1), constant(rows.weight), transpose_a=False, transpose_b=True)
    return ops.softmax(ops.add(logits, constant(rows.bias)), 1).output(0)


def _require_features(shape: Sequence[int], rows: Rows) -> None:
    if tuple(shape) != (rows.width,):
        raise NotLoweredError(f"the classifier reads {rows.width} features, but gets {tuple(shape)}")


def _shareable(rows: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """OpenVINO reads memory in place only if it is aligned, in the order of C, and could be written to."""
    return rows if rows.flags.carray else np.array(rows, order="C")


def _weights(part: nn.Module) -> int:
    """Bytes of its parameters and buffers."""
    return sum(tensor.numel() * tensor.element_size() for tensor in (*part.parameters(), *part.buffers()))


def _before_rows(head: Network) -> nn.Module:
    """The head without its last layer, if that is the classifier.

    Raises:
        NotLoweredError: something comes after the classifier.
    """
    layer = classifier(head)
    (name,) = (name for name, module in head.named_modules() if module is layer)
    try:
        graph = fx.Tracer().trace(head)
    except UNTRACEABLE as error:
        raise NotLoweredError(f"the head cannot be traced: {error}") from error
    (end,) = (node.args[0] for node in graph.nodes if node.op == "output")
    if not isinstance(end, fx.Node) or end.op != "call_module" or end.target != name:
        raise NotLoweredError("the head goes on after its classifier")
    before = copy.deepcopy(head)
    before.set_submodule(name, nn.Identity())
    return before
