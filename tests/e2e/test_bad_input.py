"""Bad input over HTTP: a problem that names the field and the remedy, and not one row changed."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from app.cli.demo.service import RunningService
from app.client import LirfClient
from app.lirf.data.images import encode_png
from app.lirf.data.source import open_source

Json = dict[str, Any]
Contents = Callable[[str], dict[str, list[Any]]]
Weights = Callable[..., bytes]
Tensors = dict[str, torch.Tensor]

DIGITS = [str(digit) for digit in range(10)]
INPUT = {"channels": 1, "height": 8, "width": 8, "mean": [0.306], "std": [0.376]}
SPEC = {"name": "never-registered", "architecture": "resnet20", "classes": DIGITS, "input": INPUT}


@dataclass(frozen=True)
class Refused:
    """What a refusal must say."""

    status: int
    field: str
    words: str = ""


@dataclass(frozen=True)
class Bank:
    """A service in which a model has been deposited from once."""

    http: httpx.Client
    url: str
    contents: Contents

    def deposit(self, **changes: Any) -> httpx.Response:
        body = {"model": "strict", "dataset": "strict-train", "select": {"classes": ["1"]}, **changes}
        return self.http.post("/deposits", json=body)

    def register(self, weights: bytes, **changes: Any) -> httpx.Response:
        files = {"weights": ("weights.safetensors", weights, "application/octet-stream")}
        return self.http.post("/models", data={"spec": json.dumps({**SPEC, **changes})}, files=files)

    def upload(self, data: bytes) -> httpx.Response:
        return self.http.post("/datasets", data={"name": "never"}, files={"file": ("f", data, "app/x")})

    def predict(self, *, model: str = "strict", image: bytes) -> httpx.Response:
        return self.http.post("/predict", params={"model": model}, content=image, headers=PNG)


PNG = {"Content-Type": "image/png"}


@pytest.fixture(scope="module")
def bank(service: RunningService, service_url: str, weights: Weights, contents: Contents) -> Iterator[Bank]:
    with LirfClient(service.url, service.admin_key) as client:
        client.builtin_dataset("strict-train", "digits", "train")
        client.builtin_dataset("untouched", "digits", "test")
        client.register_model({**SPEC, "name": "strict"}, weights())
        order = {"model": "strict", "dataset": "strict-train", "select": {"classes": ["3", "8"]}}
        accepted = client.deposit({**order, "epochs": 1, "settings": {"min_steps": 1}})
        client.wait(accepted["job"])
    headers = {"Authorization": f"Bearer {service.admin_key}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=120) as http:
        yield Bank(http, service_url, contents)


def without(name: str) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.pop(name)


def with_tensor(name: str, value: torch.Tensor) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.update({name: value})


def holding(value: float) -> Callable[[Tensors], object]:
    return lambda tensors: tensors["conv1.weight"].view(-1)[0].fill_(value)


def png(height: int, width: int) -> bytes:
    return encode_png(torch.zeros(1, height, width, dtype=torch.uint8))


def parquet() -> bytes:
    table = pa.table({"img": [{"bytes": png(8, 8), "path": None}] * 50, "label": np.arange(50) % 2})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="none")
    return sink.getvalue()


def zipped() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for number in range(20):
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", png(8, 8))
    return sink.getvalue()


def scribbled(data: bytes, start: int, length: int = 40) -> bytes:
    return data[:start] + b"\xff" * length + data[start + length :]


def torch_file() -> bytes:
    sink = io.BytesIO()
    torch.save({"conv1.weight": torch.zeros(16, 1, 3, 3)}, sink)
    return sink.getvalue()


MODELS = {
    "deposit from an unknown model": (
        lambda bank: bank.deposit(model="nobody"),
        Refused(404, "model", "nobody"),
    ),
    "predict with an unknown model": (
        lambda bank: bank.predict(model="nobody", image=png(8, 8)),
        Refused(404, "model", "nobody"),
    ),
    "deposit from an unknown data set": (
        lambda bank: bank.deposit(dataset="nothing"),
        Refused(404, "dataset", "nothing"),
    ),
}

SELECTIONS = {
    "an unknown class": ({"classes": ["ten"]}, Refused(422, "select.classes", "The classes are '0', '1'")),
    "an unknown id": ({"ids": ["no-such-row"]}, Refused(422, "select.ids", "no-such-row")),
    "an unknown column": ({"where": {"writer": ["x"]}}, Refused(422, "select.where", "writer")),
    "no class": ({"classes": []}, Refused(422, "select.classes")),
    "no id": ({"ids": []}, Refused(422, "select.ids")),
    "no column": ({"where": {}}, Refused(422, "select.where", "empty")),
    "nothing": ({}, Refused(422, "select", "exactly one")),
    "two ways at once": ({"classes": ["1"], "ids": ["0"]}, Refused(422, "select", "exactly one")),
}

WEIGHTS: dict[str, tuple[Callable[[Weights], bytes], str]] = {
    "a missing tensor": (lambda make: make(without("conv1.weight")), "missing: conv1.weight"),
    "an extra tensor": (lambda make: make(with_tensor("surplus", torch.zeros(1))), "extra: surplus"),
    "a misshapen tensor": (
        lambda make: make(with_tensor("linear.bias", torch.zeros(7))),
        "misshapen: linear.bias (expected float32 [10], found float32 [7])",
    ),
    "another number of classes": (
        lambda make: make(classes=5),
        "linear.weight (expected float32 [10, 64], found float32 [5, 64])",
    ),
    "another type of number": (
        lambda make: make(with_tensor("linear.bias", torch.zeros(10, dtype=torch.float64))),
        "found float64",
    ),
    "NaN": (lambda make: make(holding(float("nan"))), "conv1.weight holds a value that is not finite"),
    "infinity": (lambda make: make(holding(float("inf"))), "conv1.weight holds a value that is not finite"),
    "a pickle": (lambda _: pickle.dumps({"conv1.weight": 1}), "pickle"),
    "a PyTorch file": (lambda _: torch_file(), "pickle"),
    "a truncated file": (lambda make: make()[:-1000], "no safetensors file"),
    "no bytes": (lambda _: b"", "no safetensors file"),
    "noise": (lambda _: b"\x07" * 4000, "no safetensors file"),
}

FILES = {
    "a truncated Parquet": (lambda: parquet()[:-200], 422, "damaged"),
    "a Parquet with a damaged footer": (lambda: scribbled(parquet(), len(parquet()) - 100), 422, ""),
    "a Parquet with a damaged page": (lambda: scribbled(parquet(), 60), 422, ""),
    "a Parquet whose images are none": (lambda: parquet().replace(b"\x89PNG", b"\x00PNG"), 422, ""),
    "a truncated ZIP": (lambda: zipped()[:-60], 422, "damaged"),
    "a ZIP with a damaged member": (lambda: scribbled(zipped(), 45), 422, ""),
    "an empty ZIP": (lambda: b"PK\x05\x06" + b"\x00" * 18, 422, "no images"),
    "neither Parquet nor ZIP": (lambda: b"GIF89a" * 30, 415, "neither"),
}


@pytest.mark.parametrize("case", MODELS)
def test_what_does_not_exist_is_named(bank: Bank, case: str) -> None:
    send, refused = MODELS[case]
    expect(bank, send, refused)


@pytest.mark.parametrize("case", SELECTIONS)
def test_a_selection_that_means_nothing_or_everything_is_refused(bank: Bank, case: str) -> None:
    select, refused = SELECTIONS[case]
    expect(bank, lambda bank: bank.deposit(select=select), refused)


@pytest.mark.parametrize("select", [{"classes": DIGITS}, {"ids": list(open_source("digits", "test").ids)}])
def test_a_selection_of_the_whole_data_set_is_refused(bank: Bank, select: dict[str, Any]) -> None:
    refused = Refused(422, "select", "whole data set")
    expect(bank, lambda bank: bank.deposit(dataset="untouched", select=select), refused)


def test_a_selection_of_what_was_deposited_already_says_so(bank: Bank) -> None:
    refused = Refused(409, "select", "Class '3' was deposited before")
    expect(bank, lambda bank: bank.deposit(select={"classes": DIGITS}), refused)


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_that_do_not_fit_are_refused_with_the_tensors_named(
    bank: Bank, weights: Weights, case: str
) -> None:
    make, words = WEIGHTS[case]
    expect(bank, lambda bank: bank.register(make(weights)), Refused(422, "weights", words))


@pytest.mark.parametrize("case", FILES)
def test_a_corrupt_data_set_is_refused(bank: Bank, case: str) -> None:
    make, status, words = FILES[case]
    expect(bank, lambda bank: bank.upload(make()), Refused(status, "file", words))


@pytest.mark.parametrize(("height", "width"), [(9, 8), (8, 9), (32, 32), (1, 1)])
def test_an_image_of_another_shape_is_refused(bank: Bank, height: int, width: int) -> None:
    expected = Refused(422, "image", f"{height} × {width}")
    expect(bank, lambda bank: bank.predict(image=png(height, width)), expected)


@pytest.mark.parametrize(
    "data",
    [b"", b"no image", png(8, 8)[:46], scribbled(png(8, 8), 45, 10)],
    ids=["empty", "text", "cut short", "damaged"],
)
def test_what_is_no_image_is_refused(bank: Bank, data: bytes) -> None:
    expect(bank, lambda bank: bank.predict(image=data), Refused(422, "image"))


def test_the_very_same_set_cannot_be_deposited_twice(bank: Bank) -> None:
    select = {"classes": ["3", "8"]}
    expect(
        bank, lambda bank: bank.deposit(select=select), Refused(409, "select", "deposited before, as dep_")
    )


def test_the_same_set_is_recognised_when_it_is_selected_by_id(bank: Bank) -> None:
    train = open_source("digits", "train")
    ids = [name for name, label in zip(train.ids, train.labels.tolist(), strict=True) if label in {3, 8}]
    select = {"ids": ids[::-1]}
    expect(
        bank, lambda bank: bank.deposit(select=select), Refused(409, "select", "deposited before, as dep_")
    )


def test_a_class_that_is_forgotten_cannot_be_forgotten_again(bank: Bank) -> None:
    expect(
        bank, lambda bank: bank.deposit(select={"classes": ["1", "3"]}), Refused(409, "select", "Class '3'")
    )


def test_a_refused_request_with_an_idempotency_key_leaves_no_record(bank: Bank) -> None:
    body = {"model": "strict", "dataset": "strict-train", "select": {"classes": ["ten"]}}
    key = {"Idempotency-Key": "refused once"}
    expected = Refused(422, "select.classes")
    expect(bank, lambda bank: bank.http.post("/deposits", json=body, headers=key), expected)


def expect(bank: Bank, send: Callable[[Bank], httpx.Response], refused: Refused) -> None:
    before = bank.contents(bank.url)
    answer = send(bank)
    assert bank.contents(bank.url) == before, "a refused request changed the database"
    assert answer.status_code == refused.status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == refused.status
    assert problem["type"].startswith("/problems/")
    assert problem["title"]
    assert problem.get("field") == refused.field
    assert problem.get("remedy"), "the problem names no remedy"
    assert problem["error"] == f"{problem['detail']} {problem['remedy']}"
    assert refused.words in problem["error"]


def test_no_answer_names_the_software_that_serves_it(bank: Bank) -> None:
    for answer in (bank.http.get("/healthz"), bank.http.get("/no/such/path")):
        assert "server" not in answer.headers
