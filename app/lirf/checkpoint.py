"""Weights as bytes: safetensors in and out; PyTorch checkpoints on the machine of the user who has them."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from app.lirf.errors import InvalidInputError
from app.lirf.networks import Network, published_state
from app.lirf.networks.network import COUNTER

HEADER_LIMIT = 256 * 1024
LENGTH_BYTES = 8
PICKLE_MAGIC = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")
SHOWN = 8


def read_safetensors(data: bytes) -> dict[str, Tensor]:
    """Tensors by name.

    Raises:
        InvalidInputError: not safetensors, a pickle, a header over 256 KiB, a name given twice, or a value
            that is not finite.
    """
    _check_header(data)
    try:
        tensors = load(data)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise _not_safetensors(str(error)) from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InvalidInputError(
                "weights",
                f"{name} holds a value that is not finite.",
                "Send weights without NaN or infinity; the training that made them has likely diverged.",
            )
    return tensors


def write_safetensors(tensors: Mapping[str, Tensor]) -> bytes:
    """The same tensors give the same bytes, whatever their order, strides or device."""
    return save({name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)})


def manifest(net: Network) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    """Published name -> (dtype, shape) of every tensor that the network needs."""
    return {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in published_state(net).items()}


def check_fit(tensors: Mapping[str, Tensor], net: Network) -> None:
    """Compare given tensors with those the network needs; BatchNorm's step counters may come and are ignored.

    Raises:
        InvalidInputError: names the missing, extra and misshapen tensors with expected and found shapes.
    """
    needed = manifest(net)
    given = {name: tensor for name, tensor in tensors.items() if not name.endswith(COUNTER)}
    missing = [name for name in needed if name not in given]
    extra = [name for name in given if name not in needed]
    misshapen = [
        f"{name} (expected {_described(*needed[name])}, found {_described(tensor.dtype, tensor.shape)})"
        for name, tensor in given.items()
        if name in needed and needed[name] != (tensor.dtype, tuple(tensor.shape))
    ]
    faults = [
        f"{kind}: {_listed(names)}"
        for kind, names in (("missing", missing), ("extra", extra), ("misshapen", misshapen))
        if names
    ]
    if faults:
        raise InvalidInputError(
            "weights",
            f"they do not fit the architecture; {'; '.join(faults)}.",
            "Send float32 weights of this architecture, number of classes and input channels.",
        )


def read_torch_checkpoint(path: Path) -> dict[str, Tensor]:
    """Tensors of a ``.th`` or ``.pt`` file, unpacked from ``state_dict`` and without the prefix ``module.``.

    Only tensors and plain containers are read (``weights_only``), so a file cannot run code.

    Raises:
        InvalidInputError: unreadable, holds more than tensors, or holds no tensors.
    """
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch's unpickler meets junk with whatever the junk triggers
        first_line = (str(error).splitlines() or ["empty file"])[0]
        raise InvalidInputError(
            "file",
            f"{path.name} cannot be read as a PyTorch checkpoint ({first_line}).",
            "Save the network's state_dict with torch.save and give that file.",
        ) from error
    while isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    tensors = (
        {
            str(name).removeprefix("module."): value
            for name, value in content.items()
            if isinstance(value, Tensor)
        }
        if isinstance(content, dict)
        else {}
    )
    if not tensors:
        raise InvalidInputError(
            "file", f"{path.name} holds no named tensors.", "Save the network's state_dict, not the network."
        )
    return tensors


def _check_header(data: bytes) -> None:
    if data.startswith(PICKLE_MAGIC):
        raise InvalidInputError(
            "weights",
            "this is a pickle, which can run code when it is read.",
            "Convert it on your own machine with `lirf models import FILE.th`.",
        )
    if len(data) < LENGTH_BYTES:
        raise _not_safetensors(f"{len(data)} bytes are too few")
    (length,) = struct.unpack("<Q", data[:LENGTH_BYTES])
    if length > HEADER_LIMIT:
        raise _not_safetensors(f"its header claims {length} bytes, over the limit of {HEADER_LIMIT}")
    try:
        json.loads(data[LENGTH_BYTES : LENGTH_BYTES + length], object_pairs_hook=_refuse_duplicates)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise _not_safetensors("its header is no JSON") from error


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    seen = dict(pairs)
    if len(seen) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInputError(
            "weights",
            f"{twice} is given twice.",
            "Send each tensor once; save the file again from its source.",
        )
    return seen


def _not_safetensors(reason: str) -> InvalidInputError:
    return InvalidInputError(
        "weights",
        f"this is no safetensors file: {reason}.",
        "Save the tensors with safetensors, or use `lirf models import FILE.th` for a PyTorch checkpoint.",
    )


def _described(dtype: torch.dtype, shape: Sequence[int]) -> str:
    return f"{str(dtype).removeprefix('torch.')} {list(shape)}"


def _listed(names: list[str]) -> str:
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest
