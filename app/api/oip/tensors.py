"""Tensors of requests and answers, as JSON or as the binary data extension's bytes behind it.

https://github.com/kserve/open-inference-protocol and Triton's extension_binary_data.md, extension_classification.md.
"""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from app.api.oip.messages import InferRequest, RequestInput
from app.api.schemas.predict import LARGEST_REQUEST, decode_base64
from app.domain.errors import Invalid
from app.lirf.networks import InputSpec

INPUT = "image"
OUTPUT = "probabilities"
UINT8, BYTES, FP32 = "UINT8", "BYTES", "FP32"
BINARY_SIZE = "binary_data_size"
IMAGE_DIMENSIONS = 4
JSON_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Asked:
    """A request: images as pixels [N, C, H, W] or as N encoded files, and how it wants its answer."""

    id: str
    pixels: npt.NDArray[np.uint8] | None
    files: list[bytes] | None
    binary: bool
    classification: int


def raw_request(body: bytes, spec: InputSpec) -> Asked:
    """A body that is nothing but one tensor's bytes: images one after the other; they are answered in binary.

    Raises:
        Invalid: no whole number of images, or too many.
    """
    size = math.prod(spec.shape)
    if not body or len(body) % size:
        raise Invalid(
            f"{len(body)} bytes are no whole number of images of {size} bytes.",
            "Send UINT8 pixels, channel by channel and row by row.",
            INPUT,
        )
    pixels = np.frombuffer(body, dtype=np.uint8).reshape(-1, *spec.shape)
    _require_few(len(pixels))
    return Asked("", pixels, None, binary=True, classification=0)


def parse_request(body: bytes, json_length: int | None) -> Asked:
    """Read a request: JSON of ``json_length`` bytes (all of the body if null) and binary tensors behind it.

    Raises:
        Invalid: no such JSON, other tensors than the model's, sizes that do not add up, or too many images.
    """
    end = len(body) if json_length is None else json_length
    if end > len(body):
        raise Invalid(
            f"{JSON_LENGTH} is {end}, but the body has {len(body)} bytes.",
            "Send the JSON's length.",
            JSON_LENGTH,
        )
    try:
        message = InferRequest.model_validate_json(body[:end])
    except ValidationError as error:
        first = error.errors(include_context=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise Invalid(
            f"{where}: {first['msg']}.", "Compare it with the Open Inference Protocol.", where
        ) from error
    tensor = _only_input(message.inputs)
    data = _bytes_of(tensor, body[end:])
    pixels = files = None
    if tensor.datatype == UINT8:
        pixels = _pixels(tensor, data)
    elif tensor.datatype == BYTES:
        files = _files(tensor, data)
    else:
        raise Invalid(
            f"{tensor.datatype[:20]!r} is not accepted.", f"Send {UINT8} pixels or {BYTES} of files.", INPUT
        )
    _require_few(len(files or ()) if pixels is None else len(pixels))
    return Asked(message.id, pixels, files, *_wanted(message))


def answer(
    head: Mapping[str, Any], probabilities: npt.NDArray[np.float32], classes: Sequence[str], asked: Asked
) -> tuple[bytes, int | None]:
    """The body of an answer, and the length of its JSON if binary data follows.

    With classification k the output is BYTES [N, k] of ``value:index:label``, the most probable first.
    """
    if asked.classification:
        rows = [_ranked(row, classes, asked.classification) for row in probabilities]
        tensor = {"name": OUTPUT, "datatype": BYTES, "shape": [len(rows), len(rows[0])]}
        flat: list[Any] = [text for row in rows for text in row]
        data = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in flat)
    else:
        tensor = {"name": OUTPUT, "datatype": FP32, "shape": list(probabilities.shape)}
        data = np.ascontiguousarray(probabilities, dtype="<f4").tobytes() if asked.binary else b""
        flat = [] if asked.binary else probabilities.ravel().tolist()
    if not asked.binary:
        return json.dumps({**head, "outputs": [{**tensor, "data": flat}]}).encode(), None
    message = {**head, "outputs": [{**tensor, "parameters": {BINARY_SIZE: len(data)}}]}
    text = json.dumps(message).encode()
    return text + data, len(text)


def _require_few(count: int) -> None:
    if count > LARGEST_REQUEST:
        raise Invalid(
            f"{count} images are more than the {LARGEST_REQUEST:,} of one request.",
            "Send fewer at once.",
            INPUT,
        )


def _only_input(inputs: Sequence[RequestInput]) -> RequestInput:
    if len(inputs) != 1 or inputs[0].name != INPUT:
        names = ", ".join(repr(one.name[:40]) for one in inputs[:5])
        raise Invalid(f"The inputs are {names}.", f"Send the one input {INPUT!r}.", "inputs")
    return inputs[0]


def _bytes_of(tensor: RequestInput, behind: bytes) -> bytes | None:
    """The tensor's binary data; null if it came as JSON."""
    size = tensor.parameters.get(BINARY_SIZE)
    if size is None:
        if behind:
            raise Invalid(
                f"{len(behind)} bytes follow the JSON and belong to no input.",
                f"Name them in {BINARY_SIZE}.",
                INPUT,
            )
        if tensor.data is None:
            raise Invalid("The input has no data.", f"Give data, or {BINARY_SIZE} and bytes.", INPUT)
        return None
    if size != len(behind):
        raise Invalid(
            f"{BINARY_SIZE} is {size!r}, but {len(behind)} bytes follow the JSON.", "Send them all.", INPUT
        )
    return behind


def _pixels(tensor: RequestInput, data: bytes | None) -> npt.NDArray[np.uint8]:
    shape = tensor.shape
    if len(shape) != IMAGE_DIMENSIONS or 0 in shape:
        raise Invalid(
            f"Shape {shape} is none of images.", "Send [N, C, H, W] with N from 1.", "inputs.0.shape"
        )
    if data is None:
        try:
            flat = np.asarray(tensor.data, dtype=np.float64).ravel()
        except (ValueError, TypeError) as error:
            raise Invalid(
                "The data are no numbers.", "Give pixels from 0 to 255, flat or nested.", INPUT
            ) from error
        if flat.size and not (np.all(flat >= 0) and np.all(flat <= 255) and np.all(flat == np.floor(flat))):  # noqa: PLR2004  a byte
            raise Invalid(
                "A value is no whole number from 0 to 255.", "Send pixels before any normalisation.", INPUT
            )
        values = flat.astype(np.uint8)
    else:
        values = np.frombuffer(data, dtype=np.uint8)
    if values.size != math.prod(shape):
        raise Invalid(
            f"{values.size} values do not fill shape {shape}.", "Send one byte per pixel and channel.", INPUT
        )
    return values.reshape(shape)


def _files(tensor: RequestInput, data: bytes | None) -> list[bytes]:
    """Elements of a BYTES tensor [N] or [N, 1]; in JSON they are base64, since JSON carries no bytes."""
    count = math.prod(tensor.shape)
    if data is None:
        texts = list(np.asarray(tensor.data, dtype=object).ravel())
        if not all(isinstance(text, str) for text in texts):
            raise Invalid("An element is no text.", "Give every file in base64.", INPUT)
        found = [decode_base64(text, INPUT) for text in texts]
    else:
        found = []
        while data:
            (length,) = struct.unpack("<I", data[:4].ljust(4, b"\0"))
            found.append(data[4 : 4 + length])
            if len(data) < 4 + length:
                raise Invalid("The last element is cut short.", "Put its length before each element.", INPUT)
            data = data[4 + length :]
    if not found or len(found) != count:
        raise Invalid(
            f"{len(found)} elements do not fill shape {tensor.shape}.", "Send one file per image.", INPUT
        )
    return found


def _wanted(message: InferRequest) -> tuple[bool, int]:
    """Whether the output is to be binary, and of how many classes it is to tell, 0 for all probabilities."""
    binary = bool(message.parameters.get("binary_data_output", False))
    classification = 0
    for output in message.outputs or ():
        if output.name != OUTPUT:
            raise Invalid(f"There is no output {output.name[:40]!r}.", f"Ask for {OUTPUT!r}.", "outputs")
        binary = bool(output.parameters.get("binary_data", binary))
        classification = output.parameters.get("classification", 0)
        if type(classification) is not int or classification < 0:
            raise Invalid(f"classification is {classification!r}.", "Give a whole number from 1.", "outputs")
    return binary, classification


def _ranked(row: npt.NDArray[np.float32], classes: Sequence[str], count: int) -> list[str]:
    order = np.argsort(-row, kind="stable")[:count]
    return [f"{row[index]:f}:{index}:{classes[index]}" for index in order.tolist()]
