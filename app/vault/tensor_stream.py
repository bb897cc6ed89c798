"""Tensors to bytes and back without a second copy: a module is as large as memory allows, not half of that.

The bytes are safetensors (a length, a JSON header, the tensors' bytes), so that any tool can read an opened module.
They are written and read here only where they are sealed: what comes from outside goes through `app.lirf.checkpoint`,
which checks it.
"""

import json
import struct
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

LENGTH = struct.Struct("<Q")
ALIGNMENT = 8

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def stream_size(tensors: Mapping[str, Tensor]) -> int:
    """How many bytes `stream` yields."""
    return LENGTH.size + len(_header(tensors)) + sum(_bytes(tensor) for tensor in tensors.values())


def stream(tensors: Mapping[str, Tensor]) -> Iterator[memoryview]:
    """Yield the tensors as safetensors, piece by piece; the same tensors give the same bytes, whatever their order."""
    header = _header(tensors)
    yield memoryview(LENGTH.pack(len(header)) + header)
    for name in _order(tensors):
        flat = tensors[name].detach().cpu().contiguous().reshape(-1)
        if flat.numel():
            yield memoryview(flat.view(torch.uint8).numpy().data)


def view_tensors(data: bytearray) -> dict[str, Tensor]:
    """The tensors in opened bytes, as views: they share the memory of ``data``."""
    (length,) = LENGTH.unpack_from(data)
    start = LENGTH.size + length
    header = json.loads(bytes(data[LENGTH.size : start]))
    return {name: _view(data, start, **entry) for name, entry in header.items()}


def _view(data: bytearray, start: int, dtype: str, shape: list[int], data_offsets: list[int]) -> Tensor:
    kind, (first, last) = DTYPES[dtype], data_offsets
    if first == last:
        return torch.empty(shape, dtype=kind)
    count = (last - first) // kind.itemsize
    return torch.frombuffer(data, dtype=kind, count=count, offset=start + first).reshape(shape)


def _order(tensors: Mapping[str, Tensor]) -> list[str]:
    """By name, the widest numbers first, so that each tensor begins at a multiple of its width."""
    return sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))


def _header(tensors: Mapping[str, Tensor]) -> bytes:
    entries, offset = {}, 0
    for name in _order(tensors):
        tensor = tensors[name]
        entries[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + _bytes(tensor)],
        }
        offset += _bytes(tensor)
    text = json.dumps(entries, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % ALIGNMENT)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
