"""The Open Inference Protocol, as tritonclient speaks it: synchronous and asynchronous, JSON and binary.

The client adds headers of its own to the dictionary that it is given, so every call gets a copy.
"""

import asyncio
import gzip
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as sync
from tritonclient.http import aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from app.lirf.data.images import encode_png
from app.lirf.data.source import open_source

Json = dict[str, Any]
Headers = dict[str, str]

DIGITS = open_source("digits", "test")
PIXELS = DIGITS.images[:3].numpy()
CLASSES = 10


@pytest.fixture
def address(http: httpx.Client) -> str:
    return str(http.base_url).removeprefix("http://").rstrip("/")


@pytest.fixture
def client(address: str) -> Iterator[sync.InferenceServerClient]:
    made = sync.InferenceServerClient(address)
    yield made
    made.close()


def image_input(pixels: np.ndarray, *, binary: bool = True) -> sync.InferInput:
    tensor = sync.InferInput("image", list(pixels.shape), np_to_triton_dtype(pixels.dtype))
    return tensor.set_data_from_numpy(pixels, binary_data=binary)


@pytest.fixture
def expected(http: httpx.Client, owner: Headers, model: str) -> np.ndarray:
    """What /predict says of the same images."""
    rows = []
    for pixels in DIGITS.images[:3]:
        answer = http.post(
            "/predict",
            params={"model": model, "top_k": CLASSES},
            content=encode_png(pixels),
            headers={**owner, "Content-Type": "image/png"},
        ).json()
        by_class = sorted(answer["top"], key=lambda one: one["index"])
        rows.append([one["probability"] for one in by_class])
    return np.array(rows, dtype=np.float32)


def test_health_and_server_metadata_need_no_key(
    client: sync.InferenceServerClient, http: httpx.Client
) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata()["name"] == "lirf-server"
    assert http.get("/v2/").json()["extensions"]
    assert http.get("/v2/health/live").json() == {"live": True}
    assert http.get("/v2/health/ready").json() == {"ready": True}


def test_metadata_configuration_and_index_tell_what_is_served(
    client: sync.InferenceServerClient, owner: Headers, model: str
) -> None:
    assert client.is_model_ready(model, headers=dict(owner))
    told = client.get_model_metadata(model, "1", headers=dict(owner))
    assert told["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 1, 8, 8]}]
    assert told["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, CLASSES]}]
    assert told["versions"] == ["1"]
    assert client.get_model_config(model, headers=dict(owner))["max_batch_size"] == 64
    index = client.get_model_repository_index(headers=dict(owner))
    assert {"name": model, "version": "1", "state": "READY", "reason": ""} in index


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("packing", [None, "gzip", "deflate"])
def test_the_synchronous_client_is_answered_as_by_predict(
    client: sync.InferenceServerClient,
    owner: Headers,
    model: str,
    expected: np.ndarray,
    packing: str | None,
    *,
    binary_in: bool,
    binary_out: bool,
) -> None:
    result = client.infer(
        model,
        [image_input(PIXELS, binary=binary_in)],
        outputs=[sync.InferRequestedOutput("probabilities", binary_data=binary_out)],
        request_id="mine",
        headers=dict(owner),
        request_compression_algorithm=packing,
        response_compression_algorithm=packing,
    )
    np.testing.assert_allclose(result.as_numpy("probabilities"), expected, atol=1e-5)
    told = result.get_response()
    assert (told["id"], told["model_name"], told["model_version"]) == ("mine", model, "1")
    assert told["parameters"] == {"net": "original", "deposits": ""}


def test_the_asynchronous_client_is_answered_too(
    address: str, owner: Headers, model: str, expected: np.ndarray
) -> None:
    async def ask() -> np.ndarray:
        async with aio.InferenceServerClient(address) as client:
            assert await client.is_server_live()
            results = await asyncio.gather(
                *(client.infer(model, [image_input(PIXELS)], headers=dict(owner)) for _ in range(8))
            )
            return np.stack([result.as_numpy("probabilities") for result in results])

    np.testing.assert_allclose(asyncio.run(ask()), np.stack([expected] * 8), atol=1e-5)


def test_classification_names_the_most_probable_classes(
    client: sync.InferenceServerClient, owner: Headers, model: str, expected: np.ndarray
) -> None:
    for binary in (True, False):
        wanted = sync.InferRequestedOutput("probabilities", binary_data=binary, class_count=2)
        result = client.infer(model, [image_input(PIXELS)], outputs=[wanted], headers=dict(owner))
        told = result.as_numpy("probabilities")
        assert told.shape == (3, 2)
        value, index, label = (told[0][0].decode() if binary else str(told[0][0])).split(":")
        best = int(expected[0].argmax())
        assert (int(index), label) == (best, DIGITS.classes[best])
        assert float(value) == pytest.approx(expected[0].max(), abs=1e-5)


def test_encoded_files_come_as_bytes(
    client: sync.InferenceServerClient, owner: Headers, model: str, expected: np.ndarray
) -> None:
    files = np.array([encode_png(image) for image in DIGITS.images[:3]], dtype=np.object_)
    tensor = sync.InferInput("image", [3], "BYTES").set_data_from_numpy(files)
    result = client.infer(model, [tensor], headers=dict(owner))
    np.testing.assert_allclose(result.as_numpy("probabilities"), expected, atol=1e-5)


def test_a_raw_body_is_one_tensor_and_is_answered_in_binary(
    http: httpx.Client, owner: Headers, model: str, expected: np.ndarray
) -> None:
    headers = {**owner, "Inference-Header-Content-Length": "0"}
    answer = http.post(f"/v2/models/{model}/infer", content=PIXELS.tobytes(), headers=headers)
    length = int(answer.headers["Inference-Header-Content-Length"])
    found = np.frombuffer(answer.content[length:], dtype="<f4").reshape(3, CLASSES)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_who_withdrew_is_answered_by_the_recover_net_and_others_by_the_target(
    client: sync.InferenceServerClient, http: httpx.Client, owner: Headers, member: Headers, deposit: str
) -> None:
    wish = {"deposits": [deposit], "reason": "oip"}
    withdrawal = http.post("/withdrawals", json=wish, headers=owner).json()["id"]
    nets = {}
    for name, headers in (("owner", dict(owner)), ("member", dict(member))):
        result = client.infer("deposited", [image_input(PIXELS)], headers=headers)
        nets[name] = result.get_response()["parameters"]
    http.delete(f"/withdrawals/{withdrawal}", headers=owner)
    assert nets["owner"] == {"net": "recover", "deposits": deposit}
    assert nets["member"] == {"net": "target", "deposits": ""}


def test_statistics_count_images_and_batches(
    client: sync.InferenceServerClient, owner: Headers, model: str
) -> None:
    def told() -> Json:
        (stats,) = client.get_inference_statistics(model, headers=dict(owner))["model_stats"]
        found: Json = stats
        return found

    client.infer(model, [image_input(PIXELS)], headers=dict(owner))
    before = told()
    client.infer(model, [image_input(PIXELS)], headers=dict(owner))
    after = told()
    assert after["inference_count"] == before["inference_count"] + 3
    assert after["execution_count"] == before["execution_count"] + 1
    assert after["inference_stats"]["compute_infer"]["ns"] > before["inference_stats"]["compute_infer"]["ns"]
    everything = client.get_inference_statistics(headers=dict(owner))["model_stats"]
    assert model in {one["name"] for one in everything}


def test_a_net_is_loaded_and_unloaded_by_its_owner_and_answers_either_way(
    client: sync.InferenceServerClient, owner: Headers, member: Headers, model: str, expected: np.ndarray
) -> None:
    client.load_model(model, headers=dict(member))
    client.unload_model(model, headers=dict(owner))
    result = client.infer(model, [image_input(PIXELS)], headers=dict(member))
    np.testing.assert_allclose(result.as_numpy("probabilities"), expected, atol=1e-5)
    with pytest.raises(InferenceServerException, match="may not unload this model"):
        client.unload_model(model, headers=dict(member))
    with pytest.raises(InferenceServerException, match="There is no model 'none'"):
        client.load_model("none", headers=dict(owner))


def test_errors_reach_the_client_as_text(
    client: sync.InferenceServerClient, owner: Headers, model: str
) -> None:
    with pytest.raises(InferenceServerException, match="There is no model 'none'"):
        client.infer("none", [image_input(PIXELS)], headers=dict(owner))
    with pytest.raises(InferenceServerException, match=r"is not served in version '7'\. Ask for version 1"):
        client.infer(model, [image_input(PIXELS)], model_version="7", headers=dict(owner))
    with pytest.raises(InferenceServerException, match="The request carries no API key"):
        client.infer(model, [image_input(PIXELS)])
    with pytest.raises(InferenceServerException, match="Send images of 8 × 8 pixels"):
        client.infer(model, [image_input(np.zeros((1, 1, 9, 9), np.uint8))], headers=dict(owner))
    with pytest.raises(InferenceServerException, match="'FP32' is not accepted"):
        client.infer(model, [image_input(PIXELS.astype(np.float32))], headers=dict(owner))


def infer_request(**changes: Any) -> Json:
    tensor = {"name": "image", "shape": [1, 1, 8, 8], "datatype": "UINT8", "data": [0] * 64}
    return {"inputs": [{**tensor, **changes}]}


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (b"{", {}, "Invalid JSON"),
        (b"{}", {}, "inputs: Field required"),
        (infer_request(name="other"), {}, "The inputs are 'other'"),
        (infer_request(shape=[64]), {}, "is none of images"),
        (infer_request(shape=[0, 1, 8, 8]), {}, "is none of images"),
        (infer_request(shape=[2, 1, 8, 8]), {}, "64 values do not fill shape"),
        (infer_request(shape=[2**30, 2**30, 2**30, 8]), {}, "64 values do not fill shape"),
        (infer_request(shape=[-1, 1, 8, 8]), {}, "greater than or equal to 0"),
        (infer_request(data=[0.5] * 64), {}, "no whole number from 0 to 255"),
        (infer_request(data=[256] * 64), {}, "no whole number from 0 to 255"),
        (infer_request(data=["a"] * 64), {}, "no numbers"),
        (infer_request(data=[[0], [0, 1]]), {}, "no numbers"),
        (infer_request(data=None), {}, "has no data"),
        (infer_request(data=None, parameters={"binary_data_size": 64}), {}, "but 0 bytes follow"),
        (infer_request(datatype="BYTES", shape=[1], data=["AAAA"]), {}, "not a PNG, JPEG or WebP"),
        (infer_request(datatype="BYTES", shape=[1], data=[1]), {}, "no text"),
        (infer_request(datatype="BYTES", shape=[2], data=["AAAA"]), {}, "1 elements do not fill"),
        ({**infer_request(), "outputs": [{"name": "logits"}]}, {}, "There is no output 'logits'"),
        (
            {**infer_request(), "outputs": [{"name": "probabilities", "parameters": {"classification": -1}}]},
            {},
            "classification is -1",
        ),
        (infer_request(), {"Inference-Header-Content-Length": "9999"}, "but the body has"),
        (infer_request(), {"Inference-Header-Content-Length": "x"}, "whole number of bytes"),
        (b"abc", {"Inference-Header-Content-Length": "0"}, "no whole number of images"),
        (bytes(1025 * 64), {"Inference-Header-Content-Length": "0"}, "1025 images are more than the 1,024"),
        (
            infer_request(shape=[1025, 1, 8, 8], data=[0] * 1025 * 64),
            {},
            "1025 images are more than the 1,024",
        ),
        (b"abc", {"Content-Encoding": "gzip"}, "no gzip data"),
        (b"abc", {"Content-Encoding": "br"}, "'br' is not accepted"),
        (gzip.compress(b"{}", mtime=0)[:-8], {"Content-Encoding": "gzip"}, "cut short"),
    ],
)
def test_a_request_that_cannot_be_used_is_refused_with_a_reason(
    http: httpx.Client, owner: Headers, model: str, body: bytes | Json, headers: Headers, words: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = http.post(f"/v2/models/{model}/infer", content=content, headers={**owner, **headers})
    assert answer.status_code in {415, 422}, answer.text
    assert words in answer.json()["error"]


def test_a_body_that_unpacks_to_too_much_is_refused(http: httpx.Client, owner: Headers, model: str) -> None:
    bomb = zlib.compress(b"\0" * 100 * 1024 * 1024)
    answer = http.post(
        f"/v2/models/{model}/infer", content=bomb, headers={**owner, "Content-Encoding": "deflate"}
    )
    assert answer.status_code == 413
    assert "unpacks to more than the 67,108,864 bytes" in answer.json()["error"]


def test_a_bytes_tensor_that_is_cut_short_is_refused(http: httpx.Client, owner: Headers, model: str) -> None:
    data = struct.pack("<I", 100) + b"abc"
    tensor = {
        "name": "image",
        "shape": [1],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(data)},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    headers = {**owner, "Inference-Header-Content-Length": str(len(head))}
    answer = http.post(f"/v2/models/{model}/infer", content=head + data, headers=headers)
    assert (answer.status_code, "cut short" in answer.json()["error"]) == (422, True)
