"""Every endpoint once, as a caller who may."""

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import torch

from app.lirf.data.images import encode_png
from app.lirf.data.source import open_source

Json = dict[str, Any]
Headers = dict[str, str]

IMAGE = encode_png(torch.zeros(1, 8, 8, dtype=torch.uint8))


def test_the_service_is_alive_and_ready_for_anyone(http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "alive"}
    assert http.get("/readyz").json() == {"status": "ready"}


def test_a_key_is_made_listed_and_revoked(http: httpx.Client, admin: Headers) -> None:
    made = http.post("/keys", json={"principal": "passing", "role": "member"}, headers=admin)
    assert made.status_code == 201
    key = made.json()
    assert made.headers["location"] == f"/keys/{key['id']}"
    its_own = {"X-API-Key": key["key"]}
    assert http.get("/models", headers=its_own).status_code == 200
    listed = http.get("/keys", headers=admin)
    assert key["id"] in {one["id"] for one in listed.json()}
    assert key["key"].rpartition("_")[2] not in listed.text
    assert http.delete(f"/keys/{key['id']}", headers=admin).json()["revoked_at"]
    assert http.get("/models", headers=its_own).status_code == 401


def test_a_data_set_is_registered_listed_and_shown(http: httpx.Client, owner: Headers) -> None:
    made = http.post("/datasets", json={"name": "shown", "builtin": "digits", "split": "test"}, headers=owner)
    assert made.status_code == 201
    row = made.json()
    assert (row["rows"], row["image_shape"], row["classes"][3]) == (359, [1, 8, 8], "3")
    assert http.get("/datasets/shown", headers=owner).json() == row
    assert http.get(f"/datasets/{row['id']}", headers=owner).json() == row
    assert row in http.get("/datasets", headers=owner).json()


def test_a_model_with_weights_is_served_at_once(
    http: httpx.Client, owner: Headers, spec: Json, weights: bytes
) -> None:
    body = {"spec": json.dumps({"name": "at-once", **spec})}
    made = http.post("/models", data=body, files={"weights": weights}, headers=owner)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == "/models/at-once"
    model = http.get("/models/at-once", headers=owner).json()
    assert (model["current"], model["split"]) == (1, 10)
    assert http.get("/models/at-once/versions", headers=owner).json() == model["versions"]
    assert "at-once" in {one["name"] for one in http.get("/models", headers=owner).json()}


def test_a_model_to_be_trained_is_accepted_with_a_job(
    http: httpx.Client, owner: Headers, spec: Json, data: str, work: Callable[[str], None]
) -> None:
    train = {"dataset": data, "epochs": 1, "batch_size": 512}
    made = http.post("/models", json={"name": "trained", **spec, "train": train}, headers=owner)
    assert made.status_code == 202
    job = made.json()["job"]
    assert made.headers["location"] == f"/jobs/{job}"
    assert int(made.headers["retry-after"]) > 0
    early = http.get("/predict", params={"model": "trained", "dataset": data, "index": 0}, headers=owner)
    assert early.status_code == 409
    work(job)
    assert http.get(f"/jobs/{job}", headers=owner).json()["state"] == "SUCCEEDED"
    assert http.get("/models/trained", headers=owner).json()["current"] == 1


def test_a_deposit_is_shown_listed_and_followed(http: httpx.Client, owner: Headers, deposit: str) -> None:
    shown = http.get(f"/deposits/{deposit}", headers=owner).json()
    assert shown["state"] == "sealed"
    assert (shown["base_version"], shown["target_version"]) == (1, 2)
    assert [one["id"] for one in http.get("/deposits", headers=owner).json()] == [deposit]
    assert http.get("/deposits", params={"model": "deposited"}, headers=owner).json() == [shown]
    for path in (f"/deposits/{deposit}/events", f"/jobs/{shown['job']}/events"):
        stream = http.get(path, headers=owner)
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "event: end" in stream.text
    assert shown["job"] in {one["id"] for one in http.get("/jobs", headers=owner).json()}


def test_a_deposit_without_a_test_set_or_kept_images_says_so_and_its_modules_size(
    http: httpx.Client, owner: Headers, deposit: str
) -> None:
    shown = http.get(f"/deposits/{deposit}", headers=owner).json()
    (module,) = shown["modules"]
    assert shown["retain"] is None
    assert shown["metrics"] == {
        "modules": [{"deposit": deposit, "bytes": module["bytes"]}],
        "retain": None,
    }
    versions = http.get("/models/deposited/versions", headers=owner).json()
    assert versions[-1]["metrics"] == shown["metrics"]


def test_kept_images_are_asked_for_shown_and_counted(
    http: httpx.Client,
    owner: Headers,
    spec: Json,
    weights: bytes,
    work: Callable[[str], None],
) -> None:
    body = json.dumps({"name": "retaining", **spec})
    http.post("/datasets", json={"name": "retaining", "builtin": "digits"}, headers=owner)
    http.post("/models", data={"spec": body}, files={"weights": weights}, headers=owner)
    digits = open_source("digits", "train")
    kept = [name for name, label in zip(digits.ids, digits.labels.tolist(), strict=True) if label == 1][:20]
    order = {
        "model": "retaining",
        "dataset": "retaining",
        "deposits": [{"select": {"classes": ["3"]}}, {"select": {"classes": ["8"]}}],
        "retain": {"ids": kept},
        "epochs": 1,
        "settings": {"min_steps": 1},
    }
    headers = {**owner, "Idempotency-Key": "retaining"}
    first, again = (http.post("/deposits", json=order, headers=headers) for _ in range(2))
    assert first.status_code == 202, first.text
    assert again.json() == first.json()
    fewer = http.post("/deposits", json={**order, "retain": {"ids": kept[:5]}}, headers=headers)
    assert (fewer.status_code, fewer.json()["field"]) == (422, "Idempotency-Key")
    work(first.json()["job"])
    for deposit in first.json()["deposits"]:
        shown = http.get(f"/deposits/{deposit}", headers=owner).json()
        assert shown["state"] == "sealed"
        assert shown["retain"] == {"select": {"ids": kept}, "samples": 20}
        assert shown["metrics"]["retain"] == {"samples": 20}
        told = {one["deposit"]: one["bytes"] for one in shown["metrics"]["modules"]}
        assert told.keys() == set(first.json()["deposits"])
        assert told[deposit] == shown["modules"][0]["bytes"]


def test_the_openapi_document_explains_kept_images_and_metrics(http: httpx.Client) -> None:
    schemas = http.get("/openapi.json").json()["components"]["schemas"]
    retain = schemas["DepositBody"]["properties"]["retain"]
    assert "at most as many as are forgotten" in retain["description"]
    assert {"$ref": "#/components/schemas/Select"} in retain["anyOf"]
    assert "number of kept ``samples``" in schemas["DepositView"]["description"]
    assert set(schemas["RetainView"]["properties"]) == {"select", "samples"}


def test_a_queued_job_is_cancelled_with_its_deposit(
    http: httpx.Client, owner: Headers, model: str, data: str
) -> None:
    order = {"model": model, "dataset": data, "select": {"classes": ["0"]}}
    accepted = http.post("/deposits", json=order, headers=owner)
    assert accepted.status_code == 202
    job = accepted.json()["job"]
    assert http.delete(f"/jobs/{job}", headers=owner).json()["state"] == "CANCELLED"
    (deposit,) = accepted.json()["deposits"]
    assert http.get(f"/deposits/{deposit}", headers=owner).json()["state"] == "cancelled"
    assert http.delete(f"/jobs/{job}", headers=owner).status_code == 409


def test_a_granted_member_withdraws_and_ends(
    http: httpx.Client, owner: Headers, headers_of: Callable[..., Headers], deposit: str
) -> None:
    friend = headers_of("friend")
    order = {"deposits": [deposit], "reason": "to see it again"}
    assert http.post("/withdrawals", json=order, headers=friend).status_code == 403
    grant = http.post("/grants", json={"principal": "friend", "deposit": deposit}, headers=owner)
    assert grant.status_code == 201
    made = http.post("/withdrawals", json=order, headers=friend)
    assert made.status_code == 201
    assert net(http, friend) == "recover"
    assert net(http, owner) == "target"
    assert [one["id"] for one in http.get("/withdrawals", headers=friend).json()] == [made.json()["id"]]
    ended = http.delete(f"/withdrawals/{made.json()['id']}", headers=friend)
    assert ended.json()["state"] == "ended"
    assert net(http, friend) == "target"


def test_a_revoked_grant_locks_the_knowledge_at_once(
    http: httpx.Client, owner: Headers, headers_of: Callable[..., Headers], deposit: str
) -> None:
    guest = headers_of("guest")
    grant = http.post("/grants", json={"principal": "guest", "model": "deposited"}, headers=owner).json()
    http.post("/withdrawals", json={"deposits": [deposit], "reason": "a visit"}, headers=guest)
    assert net(http, guest) == "recover"
    assert grant["id"] in {one["id"] for one in http.get("/grants", headers=owner).json()}
    assert http.delete(f"/grants/{grant['id']}", headers=owner).json()["revoked_at"]
    assert net(http, guest) == "target"


def test_a_destroyed_version_cannot_be_rolled_back_to(
    http: httpx.Client, owner: Headers, deposit: str, model: str
) -> None:
    assert deposit
    gone = http.post("/models/deposited/rollback", json={"version": 1}, headers=owner)
    assert gone.status_code == 410
    same = http.post(f"/models/{model}/rollback", json={"version": 1}, headers=owner)
    assert same.json()["current"] == 1


@pytest.mark.parametrize("way", ["query", "row", "raw", "form", "batch", "rows"])
def test_an_image_is_classified_however_it_is_sent(
    http: httpx.Client, owner: Headers, model: str, data: str, way: str
) -> None:
    url_safe = base64.urlsafe_b64encode(IMAGE).decode().rstrip("=")
    plain = base64.b64encode(IMAGE).decode()
    answer = {
        "query": lambda: http.get("/predict", params={"model": model, "image": url_safe}, headers=owner),
        "row": lambda: http.get(
            "/predict", params={"model": model, "dataset": data, "index": 3}, headers=owner
        ),
        "raw": lambda: http.post(
            "/predict", params={"model": model}, content=IMAGE, headers={**owner, "Content-Type": "image/png"}
        ),
        "form": lambda: http.post("/predict", data={"model": model}, files={"image": IMAGE}, headers=owner),
        "batch": lambda: http.post("/predict", json={"model": model, "images": [plain]}, headers=owner),
        "rows": lambda: http.post(
            "/predict", json={"model": model, "dataset": data, "indices": [3]}, headers=owner
        ),
    }[way]()
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "private, no-store"
    told = answer.json()
    one = told[0] if way in {"batch", "rows"} else told
    assert (one["model"], one["version"], one["net"], one["deposits"]) == (model, 1, "original", [])
    assert len(one["top"]) == 5
    probabilities = [entry["probability"] for entry in one["top"]]
    assert probabilities == sorted(probabilities, reverse=True)


def net(http: httpx.Client, caller: Headers) -> str:
    image = base64.urlsafe_b64encode(IMAGE).decode()
    return str(
        http.get("/predict", params={"model": "deposited", "image": image}, headers=caller).json()["net"]
    )
