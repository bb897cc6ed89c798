"""Triton's counters, as an existing dashboard asks for them."""

import asyncio
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.api.oip.metrics import TritonCounters, exposed
from app.domain.errors import Invalid, TooMany
from app.inference.statistics import Statistics

Headers = dict[str, str]
Series = dict[tuple[str, str, str, str], float]
"""Values by name, model, version and reason."""

COUNTERS = [
    "nv_inference_request_success",
    "nv_inference_request_failure",
    "nv_inference_count",
    "nv_inference_exec_count",
    "nv_inference_request_duration_us",
    "nv_inference_queue_duration_us",
    "nv_inference_compute_infer_duration_us",
]
PENDING = "nv_inference_pending_request_count"


def series(text: str) -> Series:
    """Without the suffix that the parser, not the service, gives to counters."""
    found: Series = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            key = (
                sample.name.removesuffix("_total"),
                labels.pop("model"),
                labels.pop("version"),
                labels.pop("reason", ""),
            )
            assert labels == {}, "no label but Triton's"
            found[key] = sample.value
    return found


def told(http: httpx.Client, headers: Headers) -> Series:
    answer = http.get("/v2/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return series(answer.text)


def ask(http: httpx.Client, headers: Headers, model: str, *, by: str, values: int = 64) -> int:
    """One request of one image."""
    if by == "predict":
        body: Any = {"model": model, "dataset": "digits", "indices": [0]}
        return http.post("/predict", json=body, headers=headers).status_code
    tensor = {"name": "image", "shape": [1, 1, 8, values // 8], "datatype": "UINT8", "data": [0] * values}
    return http.post(f"/v2/models/{model}/infer", json={"inputs": [tensor]}, headers=headers).status_code


@pytest.mark.parametrize("by", ["predict", "infer"])
def test_every_counter_rises_with_a_prediction(
    http: httpx.Client, owner: Headers, model: str, data: str, by: str
) -> None:
    assert data
    ask(http, owner, model, by=by)
    before = told(http, owner)
    assert ask(http, owner, model, by=by) == 200
    after = told(http, owner)
    rise = {name: after[name, model, "1", ""] - before[name, model, "1", ""] for name in SUCCEEDING}
    assert [rise.pop(f"nv_inference_{one}") for one in ("request_success", "count", "exec_count")] == [
        1,
        1,
        1,
    ]
    assert rise["nv_inference_queue_duration_us"] >= 0
    assert rise["nv_inference_compute_infer_duration_us"] > 0
    assert rise["nv_inference_request_duration_us"] >= rise["nv_inference_compute_infer_duration_us"]
    assert after[PENDING, model, "1", ""] == 0


SUCCEEDING = [name for name in COUNTERS if name != "nv_inference_request_failure"]


@pytest.mark.parametrize("by", ["predict", "infer"])
def test_a_failed_request_is_counted_under_its_reason_and_as_no_success(
    http: httpx.Client, owner: Headers, model: str, by: str
) -> None:
    ask(http, owner, model, by="infer")
    before = told(http, owner)
    if by == "infer":
        assert ask(http, owner, model, by=by, values=72) == 422
    else:
        headers = {**owner, "Content-Type": "image/png"}
        answer = http.post("/predict", params={"model": model}, content=b"none", headers=headers)
        assert answer.status_code == 422
    after = told(http, owner)
    changed = {key: after[key] - before[key] for key in after if after[key] != before[key]}
    assert changed == {("nv_inference_request_failure", model, "1", "OTHER"): 1}


def test_names_and_types_are_exactly_tritons(http: httpx.Client, owner: Headers, model: str) -> None:
    ask(http, owner, model, by="infer")
    text = http.get("/v2/metrics", headers=owner).text
    types = {tuple(line.split()[2:]) for line in text.splitlines() if line.startswith("# TYPE ")}
    assert types == {*((name, "counter") for name in COUNTERS), (PENDING, "gauge")}
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert {line.partition("{")[0] for line in samples} == {*COUNTERS, PENDING}
    assert f'nv_inference_request_failure{{model="{model}",reason="REJECTED",version="1"}} 0.0' in samples


def test_it_needs_a_key_and_any_will_do(http: httpx.Client, member: Headers, model: str) -> None:
    assert http.get("/v2/metrics").status_code == 401
    assert http.get("/v2/metrics", headers=member).status_code == 200
    assert model not in http.get("/metrics").text
    assert "nv_inference" not in http.get("/metrics").text


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TooMany("full", retry_after=1), "REJECTED"),
        (asyncio.CancelledError(), "CANCELED"),
        (RuntimeError("out of memory"), "BACKEND"),
        (Invalid("no image"), "OTHER"),
    ],
)
def test_each_error_has_one_of_tritons_reasons(error: BaseException, reason: str) -> None:
    statistics = Statistics()
    with pytest.raises(type(error)), statistics.request("m", "1", 0.0):
        raise error
    found = series(exposed(TritonCounters(statistics, {})).decode())
    failed = {key[3]: value for key, value in found.items() if key[0] == "nv_inference_request_failure"}
    assert failed == {"REJECTED": 0, "CANCELED": 0, "BACKEND": 0, "OTHER": 0, reason: 1}
    assert found["nv_inference_request_success", "m", "1", ""] == 0


def test_durations_are_those_of_requests_and_not_of_batches() -> None:
    """A dashboard divides them by requests."""
    statistics = Statistics()
    statistics.batch("m", "1", rows=5, waits=[0.25, 0.5], took=0.125)
    found = series(exposed(TritonCounters(statistics, {("m", "1"): 3, ("m", "2"): 1})).decode())
    assert found["nv_inference_count", "m", "1", ""] == 5
    assert found["nv_inference_exec_count", "m", "1", ""] == 1
    assert found["nv_inference_queue_duration_us", "m", "1", ""] == 750_000
    assert found["nv_inference_compute_infer_duration_us", "m", "1", ""] == 250_000
    assert [found[PENDING, "m", version, ""] for version in "12"] == [3, 1]


def test_a_models_name_cannot_forge_a_line() -> None:
    statistics = Statistics()
    name = 'a"} 1\n# TYPE nv_forged_total counter\nnv_forged{model="'
    statistics.batch(name, "1", rows=1, waits=[0.0], took=0.0)
    text = exposed(TritonCounters(statistics, {})).decode()
    assert {family.name for family in text_string_to_metric_families(text)} == {*COUNTERS, PENDING}
    assert series(text)["nv_inference_count", name, "1", ""] == 1
