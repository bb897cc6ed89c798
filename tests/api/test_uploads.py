"""An upload that is refused leaves nothing behind, not even its bytes."""

import json
from typing import Any

import httpx
import torch
from sqlalchemy import func, select

from app.db.models import Artifact, ArtifactChunk
from app.db.session import Sessions
from app.lirf.checkpoint import write_safetensors
from app.lirf.data.dataset import ImageDataset
from app.lirf.data.parquet import write_parquet
from app.lirf.networks import create, published_state
from app.lirf.train import seed_everything

Json = dict[str, Any]
Headers = dict[str, str]


def stored(database: Sessions) -> tuple[int, int]:
    with database.read() as session:
        artifacts = session.scalar(select(func.count()).select_from(Artifact)) or 0
        return artifacts, session.scalar(select(func.count()).select_from(ArtifactChunk)) or 0


def parquet() -> bytes:
    images = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8)
    return write_parquet(ImageDataset(images, torch.tensor([0, 1, 0, 1]), tuple("abcd"), ("0", "1")))


def test_a_data_set_whose_name_is_taken_leaves_no_artifact(
    http: httpx.Client, owner: Headers, data: str, database: Sessions
) -> None:
    before = stored(database)
    answer = http.post("/datasets", data={"name": data}, files={"file": parquet()}, headers=owner)
    assert answer.status_code == 409
    assert answer.json()["field"] == "name"
    assert stored(database) == before


def test_a_model_whose_name_is_taken_leaves_no_artifact(
    http: httpx.Client, owner: Headers, model: str, spec: Json, database: Sessions
) -> None:
    before = stored(database)
    seed_everything(7)
    weights = write_safetensors(published_state(create("resnet20", 10, 1)))
    body = json.dumps({"name": model, **spec})
    answer = http.post("/models", data={"spec": body}, files={"weights": weights}, headers=owner)
    assert answer.status_code == 409
    assert stored(database) == before


def test_a_refused_upload_of_bytes_that_others_use_leaves_theirs_alone(
    http: httpx.Client, owner: Headers, model: str, spec: Json, weights: bytes, database: Sessions
) -> None:
    before = stored(database)
    body = json.dumps({"name": model, **spec})
    answer = http.post("/models", data={"spec": body}, files={"weights": weights}, headers=owner)
    assert answer.status_code == 409
    assert stored(database) == before


def test_a_repeat_with_the_same_idempotency_key_keeps_what_the_first_one_stored(
    http: httpx.Client, owner: Headers, database: Sessions
) -> None:
    headers, file = {**owner, "Idempotency-Key": "upload"}, parquet()
    first = http.post("/datasets", data={"name": "repeated"}, files={"file": file}, headers=headers)
    before = stored(database)
    again = http.post("/datasets", data={"name": "repeated"}, files={"file": file}, headers=headers)
    assert (first.status_code, again.json()) == (201, first.json())
    assert stored(database) == before
