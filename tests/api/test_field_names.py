"""Refusals name the field as the caller wrote it, and secrets are shown once."""

import base64
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from app.config import Settings
from app.lirf.data.images import encode_png

Json = dict[str, Any]
Headers = dict[str, str]

PAST = "2020-01-01T00:00:00Z"


def encoded(size: int) -> str:
    return base64.b64encode(encode_png(torch.zeros(1, size, size, dtype=torch.uint8))).decode()


def test_a_wrong_shape_in_a_batch_names_the_image(http: httpx.Client, owner: Headers, model: str) -> None:
    body = {"model": model, "images": [encoded(8), encoded(9)]}
    answer = http.post("/predict", json=body, headers=owner)
    assert answer.status_code == 422
    assert answer.json()["field"] == "images.1"
    assert "9 × 9" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"settings": {"min_steps": 0}}, "settings.min_steps"),
        ({"settings": {"min_steps": "many"}}, "settings.min_steps"),
        ({"settings": {"temperature": -1}}, "settings.temperature"),
        ({"settings": {"lambda_zero": 1}}, "settings.lambda_zero"),
        ({"settings": {"surrogates": ["postcards"]}}, "settings.surrogates"),
        ({"settings": {"epochs": 0}}, "epochs"),
        ({"prune_ratio": 1}, "prune_ratio"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    http: httpx.Client, owner: Headers, model: str, data: str, changes: Json, field: str
) -> None:
    order = {"model": model, "dataset": data, "select": {"classes": ["5"]}, **changes}
    answer = http.post("/deposits", json=order, headers=owner)
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == field
    assert answer.json()["remedy"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"retain": {}}, "retain"),
        ({"retain": {"ids": []}}, "retain.ids"),
        ({"retain": {"ids": ["digit-none"]}}, "retain.ids"),
        ({"retain": {"labels": ["1"]}}, "retain.labels"),
        ({"retain": {"classes": ["5"]}}, "retain"),
        ({"retain": {"classes": ["1", "2"]}}, "retain"),
        ({"retain": {"ids": ["digit-0002"]}, "objective": "lirf"}, "retain"),
    ],
)
def test_a_retain_set_that_cannot_be_used_is_named(
    http: httpx.Client, owner: Headers, model: str, data: str, changes: Json, field: str
) -> None:
    order = {"model": model, "dataset": data, "select": {"classes": ["5"]}, **changes}
    answer = http.post("/deposits", json=order, headers=owner)
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == field
    assert answer.json()["remedy"]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/keys", {"principal": "late"}), ("/grants", {"principal": "admin", "model": "plain"})],
)
def test_a_right_that_has_expired_already_is_refused(
    http: httpx.Client, admin: Headers, model: str, path: str, body: Json
) -> None:
    assert model == "plain"
    answer = http.post(path, json={**body, "expires_at": PAST}, headers=admin)
    assert answer.status_code == 422
    assert answer.json()["field"] == "expires_at"


def test_a_repeated_key_is_not_shown_again_and_lies_nowhere_in_the_clear(
    http: httpx.Client, admin: Headers, settings: Settings
) -> None:
    headers = {**admin, "Idempotency-Key": "one-key"}
    first = http.post("/keys", json={"principal": "once"}, headers=headers).json()
    again = http.post("/keys", json={"principal": "once"}, headers=headers).json()
    assert again == {**first, "key": None}
    secret = first["key"].rsplit("_", 1)[1]
    with sqlite3.connect(Path(settings.data_dir) / "lirf.db") as database:
        content = "".join(database.iterdump())
    database.close()
    assert first["id"] in content
    assert secret not in content
