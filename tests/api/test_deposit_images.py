"""Kept images and audits over HTTP, with the typed client."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.client import LirfClient, ProblemError
from app.lirf.data.parquet import read_parquet
from app.lirf.data.source import open_source

Json = dict[str, Any]
Headers = dict[str, str]


@pytest.fixture(scope="module")
def client(http: httpx.Client, owner: Headers) -> Iterator[LirfClient]:
    with LirfClient(str(http.base_url), owner["Authorization"].removeprefix("Bearer ")) as made:
        yield made


@pytest.fixture(scope="module")
def kept(client: LirfClient, spec: Json, weights: bytes, work: Callable[[str], None]) -> str:
    client.builtin_dataset("keeping", "digits", "test")
    client.register_model({"name": "keeping", **spec}, weights)
    order = {"model": "keeping", "dataset": "keeping", "select": {"classes": ["3"]}, "keep_original": True}
    accepted = client.deposit({**order, "epochs": 1, "settings": {"min_steps": 1}})
    work(accepted["job"])
    return str(accepted["deposits"][0])


def test_kept_images_come_back_as_a_file_that_can_be_uploaded(client: LirfClient, kept: str) -> None:
    images = read_parquet(client.kept_images(kept))
    digits = open_source("digits", "test")
    assert images.ids == tuple(
        name for name, label in zip(digits.ids, digits.labels.tolist(), strict=True) if label == 3
    )
    assert client.deposit_state(kept)["images"] == "sealed"
    assert client.dataset("keeping")["removed"] == len(images)


def test_a_row_whose_image_left_answers_410_and_names_the_way_out(client: LirfClient, kept: str) -> None:
    assert kept
    row = open_source("digits", "test").labels.tolist().index(3)
    with pytest.raises(ProblemError, match=f"The image of row {row} left the data set") as refusal:
        client.predict_rows("keeping", "keeping", [row])
    assert (refusal.value.status, refusal.value.problem["field"]) == (410, "index")


def test_an_audit_is_a_job_whose_result_stands_with_the_deposit(
    client: LirfClient, kept: str, work: Callable[[str], None]
) -> None:
    client.builtin_dataset("held-out", "digits", "train")
    accepted = client.audit_deposit(kept, "held-out", seed=1)
    work(accepted["job"])
    assert client.job(accepted["job"])["deposits"] == [kept]
    (found,) = client.deposit_state(kept)["audits"]
    assert found["seed"] == 1
    assert set(found) >= {"output", "probe", "prototypes", "images", "version", "dataset", "at"}


def test_the_same_idempotency_key_asks_for_one_audit(
    http: httpx.Client, owner: Headers, client: LirfClient, kept: str
) -> None:
    headers = {**owner, "Idempotency-Key": "audited once"}
    body = {"dataset": "held-out"}
    first, again = (http.post(f"/deposits/{kept}/audits", json=body, headers=headers) for _ in range(2))
    assert (first.status_code, again.json()) == (202, first.json())
    client.cancel(first.json()["job"])
