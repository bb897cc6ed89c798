"""PyTorch blocks to an OpenVINO graph, operation by operation, from a trace that takes milliseconds.

`torch.export` would know every operation, but takes seconds and changes the module while it runs. The networks here are
convolutions, additions, poolings and what activates them; whoever brings another operation is served by PyTorch.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import openvino as ov
import torch
from openvino import opset14 as ops
from torch import Tensor, fx, nn
from torch.nn import functional as F

from app.lirf.networks import InputSpec

Value: TypeAlias = ov.Output
ANY = -1
"""A batch of any number of rows."""

SPATIAL = 2
UNTRACEABLE = (fx.proxy.TraceError, TypeError, RuntimeError)
"""What tracing raises where Python must see values."""


class NotLoweredError(Exception):
    """There is no rule here for an operation of the net; the message names it."""


def pixels(spec: InputSpec, batch: int) -> tuple[ov.Node, Value]:
    """A graph's entry for uint8 [N, C, H, W], and the float32 that `InputSpec.normalise` makes of it."""
    entry = ops.parameter([batch, *spec.shape], ov.Type.u8)
    mean, std = (constant(np.array(values).reshape(1, -1, 1, 1)) for values in (spec.mean, spec.std))
    scaled = ops.divide(ops.convert(entry, "f32"), constant(255))
    return entry, ops.divide(ops.subtract(scaled, mean), std).output(0)


def features(shape: Sequence[int]) -> tuple[ov.Node, Value]:
    """A graph's entry for float32 [N, *shape], twice."""
    entry = ops.parameter([ANY, *shape], ov.Type.f32)
    return entry, entry.output(0)


def lower(part: nn.Module, entry: Value) -> Value:
    """The operations of ``part`` after ``entry``; compiling merges each BatchNorm into the convolution before it.

    Raises:
        NotLoweredError: the part cannot be traced, or holds an operation that is not known here.
    """
    root = nn.Sequential(part)  # or a lone layer would be taken apart
    try:
        graph = fx.Tracer().trace(root)
    except UNTRACEABLE as error:
        raise NotLoweredError(f"{type(part).__name__} cannot be traced: {error}") from error
    values: dict[fx.Node, Any] = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            values[node] = entry
        elif node.op == "output":
            return _of(values, node.args[0])
        else:
            values[node] = _lowered(root, node, values)
    raise NotLoweredError(f"{type(part).__name__} returns nothing")


def _lowered(root: nn.Module, node: fx.Node, values: Mapping[fx.Node, Any]) -> Any:
    args: tuple[Any, ...]
    args, kwargs = fx.map_arg((node.args, node.kwargs), values.__getitem__)
    if node.op == "get_attr":
        return constant(operator.attrgetter(str(node.target))(root))
    if node.op == "call_module":
        module = root.get_submodule(str(node.target))
        rule: Callable[..., Value] | None = MODULES.get(type(module))
        name, args = type(module).__name__, (module, *args)
    else:
        rule = FUNCTIONS.get(node.target) if node.op == "call_function" else METHODS.get(str(node.target))
        name = getattr(node.target, "__name__", str(node.target))
    if rule is None:
        raise NotLoweredError(f"no rule for {name}")
    try:
        return rule(*args, **kwargs)
    except (TypeError, RuntimeError) as error:  # of Python, of OpenVINO
        raise NotLoweredError(f"{name} is called in a way that is not known: {error}") from error


def _of(values: Mapping[fx.Node, Any], node: Any) -> Value:
    if not isinstance(node, fx.Node):
        raise NotLoweredError("it returns more than one tensor")
    return values[node]


def constant(value: Tensor | npt.ArrayLike) -> Value:
    """A float32 of the graph that never changes; raises NotLoweredError for other than numbers."""
    array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    if not np.issubdtype(array.dtype, np.floating) and not np.issubdtype(array.dtype, np.integer):
        raise NotLoweredError(f"a constant of {array.dtype}")
    return ops.constant(np.array(array, dtype=np.float32)).output(0)


def _integers(*values: int) -> Value:
    return ops.constant(np.array(values, dtype=np.int64)).output(0)


def _operand(value: Any) -> Value:
    return constant(value) if isinstance(value, int | float) else value


def _pair(value: int | Sequence[int]) -> list[int]:
    return [value] * SPATIAL if isinstance(value, int) else list(value)


def _per_channel(values: Tensor) -> Value:
    return constant(values.detach().reshape(1, -1, 1, 1))


def _convolution(layer: nn.Conv2d, x: Value) -> Value:
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise NotLoweredError(f"a convolution padded by {layer.padding_mode}, {layer.padding}")
    weight, padding = layer.weight.detach(), _pair(layer.padding)
    geometry = (_pair(layer.stride), padding, padding, _pair(layer.dilation))
    if layer.groups == 1:
        y = ops.convolution(x, constant(weight), *geometry)
    else:
        grouped = weight.reshape(layer.groups, -1, *weight.shape[1:])
        y = ops.group_convolution(x, constant(grouped), *geometry)
    return y.output(0) if layer.bias is None else ops.add(y, _per_channel(layer.bias)).output(0)


def _batch_norm(layer: nn.BatchNorm2d, x: Value) -> Value:
    """With the statistics that training left."""
    mean, variance = layer.running_mean, layer.running_var
    if mean is None or variance is None:
        raise NotLoweredError("a BatchNorm without running statistics")
    scale = torch.rsqrt(variance + layer.eps)
    if layer.affine:
        scale = scale * layer.weight
    shift = -mean * scale
    if layer.affine:
        shift = shift + layer.bias
    return ops.add(ops.multiply(x, _per_channel(scale)), _per_channel(shift)).output(0)


def _linear(layer: nn.Linear, x: Value) -> Value:
    y = ops.matmul(x, constant(layer.weight), transpose_a=False, transpose_b=True)
    bias = cast("Tensor | None", layer.bias)
    return y.output(0) if bias is None else ops.add(y, constant(bias)).output(0)


def _relu(x: Value, inplace: bool = False) -> Value:  # noqa: ARG001, FBT001, FBT002  the signature of F.relu
    return ops.relu(x).output(0)


def _max_pool(layer: nn.MaxPool2d, x: Value) -> Value:
    if layer.return_indices:
        raise NotLoweredError("max pooling that returns indices")
    padding = _pair(layer.padding)
    pooled = ops.max_pool(
        x,
        _pair(layer.stride),
        _pair(layer.dilation),
        padding,
        padding,
        _pair(layer.kernel_size),
        rounding_type="ceil_torch" if layer.ceil_mode else "floor",
    )
    return pooled.output(0)


def _avg_pool(layer: nn.AvgPool2d, x: Value) -> Value:
    if layer.divisor_override is not None:
        raise NotLoweredError("average pooling with a divisor of its own")
    padding = _pair(layer.padding)
    pooled = ops.avg_pool(
        x,
        _pair(layer.stride),
        padding,
        padding,
        _pair(layer.kernel_size),
        exclude_pad=not layer.count_include_pad,
        rounding_type="ceil_torch" if layer.ceil_mode else "floor",
    )
    return pooled.output(0)


def _global_pool(layer: nn.AdaptiveAvgPool2d, x: Value) -> Value:
    return _to_one(x, layer.output_size)


def _to_one(x: Value, output_size: Any) -> Value:
    if tuple(_pair(output_size)) != (1, 1):
        raise NotLoweredError(f"adaptive pooling to {output_size}")
    return ops.reduce_mean(x, _integers(2, 3), keep_dims=True).output(0)


def _mean(x: Value, dim: int | Sequence[int], keepdim: bool = False) -> Value:  # noqa: FBT001, FBT002  torch's own
    axes = [dim] if isinstance(dim, int) else list(dim)
    return ops.reduce_mean(x, _integers(*axes), keep_dims=keepdim).output(0)


def _flatten(x: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    if start_dim != 1 or end_dim not in {-1, x.partial_shape.rank.get_length() - 1}:
        raise NotLoweredError(f"flatten from {start_dim} to {end_dim}")
    width = math.prod(dimension.get_length() for dimension in list(x.partial_shape)[1:])
    return ops.reshape(x, _integers(-1, width), special_zero=False).output(0)


def _pad(x: Value, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Value:
    if mode != "constant":
        raise NotLoweredError(f"padding by {mode}")
    rank = x.partial_shape.rank.get_length()
    before, after = [0] * rank, [0] * rank
    for place in range(len(pad) // 2):  # torch names the last dimension first
        before[rank - 1 - place], after[rank - 1 - place] = pad[2 * place], pad[2 * place + 1]
    filler = constant(np.float32(value or 0))
    return ops.pad(x, _integers(*before), _integers(*after), "constant", filler).output(0)


def _slices(x: Value, index: Any) -> Value:
    """x[:, :, a:b:c]: slices with positive steps, a whole batch first."""
    index = index if isinstance(index, tuple) else (index,)
    plain = all(isinstance(one, slice) and (one.step or 1) > 0 for one in index)
    if not plain or index[0] != slice(None):
        raise NotLoweredError(f"indexing by {index}")
    axes = [axis for axis, one in enumerate(index) if one != slice(None)]
    if not axes:
        return x
    chosen = [index[axis] for axis in axes]
    sliced = ops.slice(
        x,
        _integers(*(one.start or 0 for one in chosen)),
        _integers(*(np.iinfo(np.int64).max if one.stop is None else one.stop for one in chosen)),
        _integers(*(one.step or 1 for one in chosen)),
        _integers(*axes),
    )
    return sliced.output(0)


def _add(x: Any, y: Any) -> Value:
    return ops.add(_operand(x), _operand(y)).output(0)


def _multiply(x: Any, y: Any) -> Value:
    return ops.multiply(_operand(x), _operand(y)).output(0)


def _concatenate(tensors: Sequence[Value], dim: int = 0) -> Value:
    if dim == 0:
        raise NotLoweredError("a concatenation of batches")
    return ops.concat(list(tensors), dim).output(0)


def _unchanged(_layer: nn.Module, x: Value) -> Value:
    return x


MODULES: dict[type[nn.Module], Callable[..., Value]] = {
    nn.Conv2d: _convolution,
    nn.BatchNorm2d: _batch_norm,
    nn.Linear: _linear,
    nn.ReLU: lambda _layer, x: _relu(x),
    nn.SiLU: lambda _layer, x: ops.swish(x).output(0),
    nn.Sigmoid: lambda _layer, x: ops.sigmoid(x).output(0),
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _avg_pool,
    nn.AdaptiveAvgPool2d: _global_pool,
    nn.Flatten: lambda layer, x: _flatten(x, layer.start_dim, layer.end_dim),
    nn.Identity: _unchanged,
    nn.Dropout: _unchanged,
}

FUNCTIONS: dict[Any, Callable[..., Value]] = {
    F.relu: _relu,
    torch.relu: _relu,
    F.pad: _pad,
    F.adaptive_avg_pool2d: _to_one,
    operator.add: _add,
    operator.iadd: _add,
    torch.add: _add,
    operator.mul: _multiply,
    torch.mul: _multiply,
    operator.getitem: _slices,
    torch.flatten: _flatten,
    torch.cat: _concatenate,
    torch.mean: _mean,
    torch.sigmoid: lambda x: ops.sigmoid(x).output(0),
}

METHODS: dict[str, Callable[..., Value]] = {
    "relu": _relu,
    "relu_": _relu,
    "add": _add,
    "add_": _add,
    "mul": _multiply,
    "mean": _mean,
    "flatten": _flatten,
    "sigmoid": lambda x: ops.sigmoid(x).output(0),
}
