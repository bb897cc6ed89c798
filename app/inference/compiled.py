"""Nets compiled for the CPU by OpenVINO.

A net is its front, the target's shallow part and those of its branches on the same images; the deep part, which is held
once for all nets of a model and answers the target and all branches as one batch; and the classifier's few rows.
"""

import copy
import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import openvino as ov
from openvino import opset14 as ops
from torch import fx, nn

from app.inference.compilation import Compilation, Order
from app.inference.grouping import grouped
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
from app.inference.parts import Beside, CompiledNet, Lanes, Part, Step
from app.inference.rows import Rows
from app.inference.sharing import Shared
from app.lirf.networks import InputSpec, Network, classifier
from app.lirf.recover import RecoverNet

SMALL_BYTES = 8 * 2**20
"""Weights up to which threads lose more by waiting for one another than by having work of their own: a batch each, or
parts of the front for exactly one image, for which such a front is compiled once more."""

COPIED_BYTES = 64 * 2**20
"""Of a small front for all threads together, up to which each has one of its own: it computes its batches itself, and
hands them to no thread of OpenVINO's."""


class _Front(NamedTuple):
    """What many images go through, the steps of exactly one, and the bytes of both."""

    many: Part | Lanes
    one: Sequence[Step]
    size: int


class Compiler:
    """Compiles nets for the CPU.

    Args:
        threads: a small part runs as many batches beside one another, each on one of them, and one image by the parts
            of its front beside one another; a large part runs one batch after the other on all of them.
    """

    def __init__(self, threads: int) -> None:
        self._compilation = Compilation(threads)
        self._threads = threads
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
            return self._whole(spec, [nn.Sequential(part, deep) for part in shallow], rows)
        name = (deep_name, head_name if _weights(before_rows) else None)
        return self._divided(spec, shallow, rows, deep, name)

    def _whole(self, spec: InputSpec, parts: Sequence[nn.Module], rows: Rows) -> CompiledNet:
        front = self._front(spec, parts, rows)
        return CompiledNet([front.many, np.copy], [*front.one, np.copy], {object(): front.size})

    def _divided(
        self, spec: InputSpec, parts: Sequence[nn.Module], rows: Rows, deep: Network, deep_name: Hashable
    ) -> CompiledNet:
        front = self._front(spec, parts)
        shared = self._deep_parts.get(deep_name, lambda: self._deep(front.many.output_shape, deep))
        _require_features(shared.output_shape, rows)
        pieces: dict[Hashable, int] = {object(): front.size, deep_name: _weights(deep)}
        return CompiledNet(
            [front.many, shared, rows.probabilities], [*front.one, shared, rows.of_one], pieces
        )

    def _front(self, spec: InputSpec, parts: Sequence[nn.Module], rows: Rows | None = None) -> _Front:
        """Parts on the same images; with ``rows``, which read them, a whole net."""
        size = sum(map(_weights, parts))
        if size > SMALL_BYTES:
            (large,) = self._compilation.parts(Order(_graph(spec, parts, ANY, rows), self._threads))
            return _Front(large, [large], size)
        groups = _groups(parts, self._threads)
        ones = [
            Order(_graph(spec, group, 1, rows if len(groups) == 1 else None), self._threads // len(groups))
            for group in groups
        ]
        many: Part | Lanes
        graph, lanes = _graph(spec, parts, ANY, rows), self._threads
        if lanes * size <= COPIED_BYTES:
            copies = lanes
            many, singles = self._compilation.lanes(graph, lanes, *ones)
        else:
            copies = 1
            many, *singles = self._compilation.parts(Order(graph, self._threads, streams=lanes), *ones)
        one: list[Step] = [Beside(singles)] if len(singles) > 1 else [*singles]
        if rows and len(singles) > 1:
            one.append(rows.of_one)
        return _Front(many, one, (copies + 1) * size)

    def _deep(self, shape: tuple[int, ...], deep: Network) -> Part:
        """Held once, also where several batches run beside one another."""
        entry, value = features(shape)
        streams = self._threads if _weights(deep) <= SMALL_BYTES else 1
        (part,) = self._compilation.parts(
            Order(ov.Model([lower(deep, value)], [entry]), self._threads, streams)
        )
        return part


def _groups(parts: Sequence[nn.Module], most: int) -> list[Sequence[nn.Module]]:
    """What a part takes grows with its channels, the root of its weights: narrow layers half-fill vector registers."""
    return [parts[group] for group in grouped([math.sqrt(_weights(part)) for part in parts], most)]


def _graph(spec: InputSpec, parts: Sequence[nn.Module], batch: int, rows: Rows | None = None) -> ov.Model:
    """All parts on the same images, their answers one after the other: [N, C, H, W] -> [parts · N, ...].

    With ``rows``, which read them, it is a whole net: -> probabilities [N, classes].
    """
    entry, value = pixels(spec, batch)
    ends = [lower(part, value) for part in parts]
    return ov.Model([_classified(ends, rows) if rows else _joined(ends, 0)], [entry])


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
