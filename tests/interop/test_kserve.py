"""KServe's ``InferenceRESTClient``, the real package and unmodified, against a running service.

It asks for other versions of what this project is developed with, so it runs in an environment of its own.
"""

import json
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cli.demo.service import RunningService
from app.client import LirfClient
from app.lirf.checkpoint import write_safetensors
from app.lirf.data.images import encode_png
from app.lirf.data.source import open_source
from app.lirf.networks import create, published_state
from app.lirf.train import seed_everything

Json = dict[str, Any]

ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-kserve"
CALLS = Path(__file__).with_name("kserve_calls.py")
MODEL = "for-kserve"
CLASSES = 10
IMAGES = open_source("digits", "test").images[:40]
"""So many that answers are long enough to be compressed."""

WAYS = [
    "json in, json out",
    "json in, binary out",
    "binary in, json out",
    "binary in, binary out",
    "binary by the request",
    "nested lists",
    "files",
]

pytestmark = pytest.mark.skipif(
    not list(ENVIRONMENT.glob("lib/python*/site-packages/kserve")),
    reason="KServe's client is not installed: `make test-kserve` makes .venv-kserve and runs this test",
)


@pytest.fixture(scope="module")
def expected(service: RunningService) -> np.ndarray:
    """What /predict says of the images, after it was given the model."""
    seed_everything(0)
    weights = write_safetensors(published_state(create("resnet20", CLASSES, 1)))
    spec = {
        "name": MODEL,
        "architecture": "resnet20",
        "classes": [str(digit) for digit in range(CLASSES)],
        "input": {"channels": 1, "height": 8, "width": 8},
    }
    with LirfClient(service.url, service.admin_key) as admin:
        admin.register_model(spec, weights)
        answers = admin.predict(MODEL, [encode_png(image) for image in IMAGES], top_k=CLASSES)
    rows = [sorted(answer["top"], key=lambda one: one["index"]) for answer in answers]
    return np.array([[one["probability"] for one in row] for row in rows])


@pytest.fixture(scope="module")
def told(service: RunningService, expected: np.ndarray) -> Json:
    """What the client understood of the service's answers."""
    assert len(expected) == len(IMAGES)
    asked = {
        "url": service.url,
        "key": service.admin_key,
        "model": MODEL,
        "pixels": IMAGES.tolist(),
        "files": [b64encode(encode_png(image)).decode() for image in IMAGES],
    }
    run = subprocess.run(
        [ENVIRONMENT / "bin" / "python", CALLS],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    answers: Json = json.loads(run.stdout)
    return answers


def test_it_finds_server_and_model_alive_and_ready(told: Json) -> None:
    assert (told["live"], told["ready"], told["model ready"]) == (True, True, True)


def test_a_model_is_not_ready_for_whoever_may_not_see_it_nor_if_it_is_unknown(told: Json) -> None:
    assert (told["model ready without a key"], told["unknown model ready"]) == (False, False)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_answered_as_by_predict(told: Json, expected: np.ndarray, way: str) -> None:
    assert np.ptp(expected, axis=0).max() > 1e-3, "the images are told apart"
    answer = told["infer"][way]
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)
    assert answer["output"] == ["probabilities", "FP32", [len(IMAGES), CLASSES]]
    assert (answer["id"], answer["model"]) == ("mine", MODEL)
    assert answer["parameters"] == {"net": "original", "deposits": ""}


def test_every_way_was_asked(told: Json) -> None:
    assert sorted(told["infer"]) == sorted(WAYS)


def test_an_answer_names_the_version_that_gave_it(told: Json) -> None:
    answer = told["whole"]
    assert (answer["model_name"], answer["model_version"]) == (MODEL, "1")
    assert answer["parameters"] == {"net": "original", "deposits": ""}


def test_its_errors_say_what_the_service_said(told: Json) -> None:
    status, text = told["refused"]["unknown model"]
    assert (status, "There is no model 'none'" in text) == (404, True), text
    status, text = told["refused"]["no key"]
    assert (status, "The request carries no API key" in text) == (401, True), text
