"""Who is turned away and how: 401, 403, 404, repeats, pages, and the shape of every problem."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

Json = dict[str, Any]
Headers = dict[str, str]

ROUTES = {
    ("GET", "/models"),
    ("POST", "/models"),
    ("GET", "/models/{name}"),
    ("GET", "/models/{name}/versions"),
    ("POST", "/models/{name}/rollback"),
    ("GET", "/datasets"),
    ("POST", "/datasets"),
    ("GET", "/datasets/{dataset}"),
    ("GET", "/deposits"),
    ("POST", "/deposits"),
    ("GET", "/deposits/{deposit_id}"),
    ("DELETE", "/deposits/{deposit_id}"),
    ("GET", "/deposits/{deposit_id}/events"),
    ("GET", "/deposits/{deposit_id}/certificate"),
    ("DELETE", "/deposits/{deposit_id}/erasure"),
    ("GET", "/vault"),
    ("POST", "/vault/seal"),
    ("POST", "/vault/unseal"),
    ("POST", "/vault/rotations"),
    ("GET", "/audit"),
    ("GET", "/audit/head"),
    ("GET", "/withdrawals"),
    ("POST", "/withdrawals"),
    ("DELETE", "/withdrawals/{withdrawal_id}"),
    ("GET", "/grants"),
    ("POST", "/grants"),
    ("DELETE", "/grants/{grant_id}"),
    ("GET", "/predict"),
    ("POST", "/predict"),
    ("GET", "/jobs"),
    ("GET", "/jobs/{job_id}"),
    ("DELETE", "/jobs/{job_id}"),
    ("GET", "/jobs/{job_id}/events"),
    ("GET", "/keys"),
    ("POST", "/keys"),
    ("DELETE", "/keys/{key_id}"),
}
OPEN = {("GET", "/healthz"), ("GET", "/readyz")}


def problem(answer: httpx.Response, status: int) -> Json:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: Json = answer.json()
    assert {"type", "title", "status", "detail", "error"} <= set(body)
    assert body["status"] == status
    assert body["type"].startswith("/problems/")
    return body


def test_the_openapi_document_lists_every_route(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    listed = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert listed >= ROUTES | OPEN


@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer nonsense"}, {"X-API-Key": "lirf_0123456789ab_" + "0" * 64}],
    ids=["no key", "malformed key", "unknown key"],
)
def test_without_a_live_key_every_route_answers_401(
    http: httpx.Client, method: str, path: str, headers: Headers
) -> None:
    answer = http.request(
        method, path, headers={**headers, "Content-Type": "application/json"}, content=b"{}"
    )
    problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/keys", {"principal": "me-too", "role": "admin"}),
        ("GET", "/keys", None),
        ("DELETE", "/keys/some", None),
        ("POST", "/datasets", {"name": "mine", "builtin": "digits"}),
        ("POST", "/deposits", {"model": "plain", "dataset": "digits", "select": {"classes": ["1"]}}),
        ("POST", "/models/plain/rollback", {"version": 1}),
        ("POST", "/grants", {"principal": "member", "model": "plain"}),
        ("POST", "/withdrawals", {"deposits": ["dep_unknown"], "reason": "curious"}),
    ],
)
def test_a_member_is_forbidden_what_only_owners_and_admins_may(
    http: httpx.Client, member: Headers, model: str, data: str, method: str, path: str, body: Json | None
) -> None:
    assert model
    assert data
    assert problem(http.request(method, path, json=body, headers=member), 403)["remedy"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/models/none"),
        ("GET", "/models/none/versions"),
        ("GET", "/datasets/none"),
        ("GET", "/deposits/none"),
        ("DELETE", "/deposits/none"),
        ("GET", "/deposits/none/events"),
        ("DELETE", "/withdrawals/none"),
        ("DELETE", "/grants/none"),
        ("GET", "/jobs/none"),
        ("DELETE", "/jobs/none"),
        ("GET", "/jobs/none/events"),
        ("DELETE", "/keys/none"),
        ("GET", "/no-such-path"),
    ],
)
def test_what_does_not_exist_answers_404(http: httpx.Client, admin: Headers, method: str, path: str) -> None:
    problem(http.request(method, path, headers=admin), 404)


def test_what_is_anothers_looks_as_if_it_did_not_exist(
    http: httpx.Client, headers_of: Callable[..., Headers], deposit: str, data: str, owner: Headers
) -> None:
    rival = headers_of("rival", "owner")
    job = http.get(f"/deposits/{deposit}", headers=owner).json()["job"]
    for name, path in (
        (deposit, "/deposits/{}"),
        (data, "/datasets/{}"),
        (job, "/jobs/{}"),
        (job, "/jobs/{}/events"),
    ):
        hidden = problem(http.get(path.format(name), headers=rival), 404)
        missing = problem(http.get(path.format("none"), headers=rival), 404)
        assert hidden["detail"].replace(name, "none") == missing["detail"]
    assert http.get("/deposits", headers=rival).json() == []
    assert http.get("/jobs", headers=rival).json() == []


def test_a_field_of_another_type_is_named(http: httpx.Client, admin: Headers) -> None:
    body = {"model": "m", "dataset": "d", "select": {"classes": ["1"]}, "epochs": "many"}
    told = problem(http.post("/deposits", json=body, headers=admin), 422)
    assert told["field"] == "epochs"
    assert told["remedy"]
    assert "many" not in told["detail"]


def test_an_unknown_field_is_refused(http: httpx.Client, admin: Headers) -> None:
    told = problem(http.post("/keys", json={"principal": "x", "rol": "admin"}, headers=admin), 422)
    assert told["field"] == "rol"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'"text"'])
def test_a_body_that_is_no_object_is_refused(http: httpx.Client, admin: Headers, content: bytes) -> None:
    headers = {**admin, "Content-Type": "application/json"}
    for path in ("/models", "/datasets", "/deposits", "/grants", "/withdrawals", "/predict"):
        problem(http.post(path, content=content, headers=headers), 422)


@pytest.mark.parametrize("path", ["/models", "/datasets", "/predict"])
def test_another_media_type_is_refused(http: httpx.Client, admin: Headers, path: str) -> None:
    problem(http.post(path, content=b"<x/>", headers={**admin, "Content-Type": "text/xml"}), 415)


def test_a_method_that_a_path_does_not_know_is_a_problem_too(http: httpx.Client, admin: Headers) -> None:
    problem(http.put("/models", headers=admin), 405)


def test_the_same_idempotency_key_and_body_give_the_same_answer(
    http: httpx.Client, owner: Headers, model: str, data: str
) -> None:
    headers = {**owner, "Idempotency-Key": "once"}
    order = {"model": model, "dataset": data, "select": {"classes": ["5"]}}
    first = http.post("/deposits", json=order, headers=headers)
    again = http.post("/deposits", json=order, headers=headers)
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    http.delete(first.headers["location"], headers=owner)


def test_the_same_idempotency_key_with_another_body_is_refused(http: httpx.Client, owner: Headers) -> None:
    headers = {**owner, "Idempotency-Key": "twice"}
    body = {"name": "first-name", "builtin": "digits", "split": "test"}
    assert http.post("/datasets", json=body, headers=headers).status_code == 201
    told = problem(http.post("/datasets", json={**body, "name": "second-name"}, headers=headers), 422)
    assert told["field"] == "Idempotency-Key"
    problem(http.get("/datasets/second-name", headers=owner), 404)


def test_an_idempotency_key_belongs_to_its_caller(
    http: httpx.Client, owner: Headers, headers_of: Callable[..., Headers]
) -> None:
    other = headers_of("other-owner", "owner")
    made = [
        http.post(
            "/datasets",
            json={"name": name, "builtin": "digits", "split": "test"},
            headers={**caller, "Idempotency-Key": "shared"},
        )
        for name, caller in (("owners-own", owner), ("others-own", other))
    ]
    assert [answer.json()["name"] for answer in made] == ["owners-own", "others-own"]


def test_pages_follow_one_another_without_gap_or_overlap(
    http: httpx.Client, admin: Headers, headers_of: Callable[..., Headers]
) -> None:
    for number in range(5):
        headers_of(f"paged-{number}")
    whole = [one["id"] for one in http.get("/keys", headers=admin).json()]
    paged: list[str] = []
    while page := http.get(
        "/keys", params={"limit": 2, **({"after": paged[-1]} if paged else {})}, headers=admin
    ).json():
        assert len(page) <= 2
        paged += [one["id"] for one in page]
    assert paged == whole


@pytest.mark.parametrize("limit", [0, -1, 1001, "all"])
def test_an_impossible_page_is_refused(http: httpx.Client, admin: Headers, limit: object) -> None:
    assert problem(http.get("/models", params={"limit": limit}, headers=admin), 422)["field"] == "limit"


HOSTILE = {
    "a version beyond any number": ("/models/plain/rollback", b'{"version": 1' + b"0" * 40 + b"}"),
    "a zero byte in a name": ("/grants", b'{"principal": "a\\u0000b", "model": "plain"}'),
    "half a character": ("/grants", b'{"principal": "\\ud800", "model": "plain"}'),
    "a mean that is no number": (
        "/models",
        b'{"name": "n", "architecture": "resnet20", "train": {"dataset": "digits"}, "classes": %s, %s}'
        % (
            json.dumps([str(digit) for digit in range(10)]).encode(),
            b'"input": {"channels": 1, "height": 8, "width": 8, "mean": [NaN]}',
        ),
    ),
    "a setting of another type": (
        "/deposits",
        b'{"model": "plain", "dataset": "digits", "select": {"classes": ["1"]}, %s}'
        % b'"settings": {"min_steps": "many"}',
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_values_are_refused_and_never_an_error_of_the_service(
    http: httpx.Client, admin: Headers, model: str, data: str, case: str
) -> None:
    assert model
    assert data
    path, content = HOSTILE[case]
    answer = http.post(path, content=content, headers={**admin, "Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text
    problem(answer, answer.status_code)
