"""Asks a running service through KServe's own client, and prints what the client understood of the answers.

Run by the interpreter of ``.venv-kserve``. Standard input: JSON with ``url``, ``key``, ``model``, ``pixels``
[N, C, H, W] and ``files``, the same images as PNG in base64. Standard output: JSON by the name of the call.
"""

import asyncio
import base64
import itertools
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, InferResponse, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

Json = dict[str, Any]


def pixels_of(told: Json, *, binary: bool) -> InferInput:
    pixels = np.array(told["pixels"], dtype=np.uint8)
    tensor = InferInput("image", list(pixels.shape), "UINT8")
    tensor.set_data_from_numpy(pixels, binary_data=binary)
    return tensor


def nested(told: Json) -> InferInput:
    pixels = np.array(told["pixels"])
    return InferInput("image", list(pixels.shape), "UINT8", told["pixels"])


def files_of(told: Json) -> InferInput:
    files = np.array([base64.b64decode(file) for file in told["files"]], dtype=np.object_)
    tensor = InferInput("image", [len(files)], "BYTES")
    tensor.set_data_from_numpy(files, binary_data=True)
    return tensor


def understood(answer: InferResponse) -> Json:
    (output,) = answer.outputs
    return {
        "id": answer.id,
        "model": answer.model_name,
        "parameters": answer.parameters,
        "output": [output.name, output.datatype, list(output.shape)],
        "probabilities": output.as_numpy().tolist(),
    }


def requests(told: Json) -> dict[str, InferRequest]:
    """Each way of sending the images with each way of asking for the answer."""
    asked: dict[str, InferRequest] = {}
    for binary_in, binary_out in itertools.product((False, True), repeat=2):
        name = f"{'binary' if binary_in else 'json'} in, {'binary' if binary_out else 'json'} out"
        asked[name] = InferRequest(
            told["model"],
            [pixels_of(told, binary=binary_in)],
            request_id="mine",
            request_outputs=[RequestedOutput("probabilities", {"binary_data": binary_out})],
        )
    everything_binary = {"binary_data_output": True}
    asked["binary by the request"] = InferRequest(
        told["model"], [pixels_of(told, binary=True)], request_id="mine", parameters=everything_binary
    )
    asked["nested lists"] = InferRequest(told["model"], [nested(told)], request_id="mine")
    asked["files"] = InferRequest(told["model"], [files_of(told)], request_id="mine")
    return asked


async def refusal(client: InferenceRESTClient, told: Json, model: str, headers: Json) -> list[Any]:
    try:
        await client.infer(told["url"], InferRequest(model, [nested(told)]), model, headers)
    except httpx.HTTPStatusError as error:
        return [error.response.status_code, str(error)]
    return [200, ""]


async def main() -> None:
    told = json.load(sys.stdin)
    url, model, headers = told["url"], told["model"], {"Authorization": f"Bearer {told['key']}"}
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        as_a_graph = f"{url}/v2/models/{model}/infer"  # the one way to see an answer whole
        answers: Json = {
            "live": await client.is_server_live(url),
            "ready": await client.is_server_ready(url),
            "model ready": await client.is_model_ready(url, model, headers),
            "model ready without a key": await client.is_model_ready(url, model),
            "unknown model ready": await client.is_model_ready(url, "none", headers),
            "whole": await client.infer(
                as_a_graph, InferRequest(model, [nested(told)]), headers=headers, is_graph_endpoint=True
            ),
            "refused": {
                "unknown model": await refusal(client, told, "none", headers),
                "no key": await refusal(client, told, model, {}),
            },
            "infer": {  # the client writes into the headers that it is given
                name: understood(await client.infer(url, request, model, dict(headers)))
                for name, request in requests(told).items()
            },
        }
    json.dump(answers, sys.stdout)


asyncio.run(main())
