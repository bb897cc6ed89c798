"""The vault over HTTP: sealed, targets are served on and nothing else is; damaged, the right refusal comes."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from app.db.keystore.models import DataKey
from app.db.models import ArtifactChunk, DepositModuleVersion
from app.vault.vault import Vault

Json = dict[str, Any]
Headers = dict[str, str]


@pytest.fixture
def sealed_vault(http: httpx.Client, admin: Headers) -> Iterator[Json]:
    """The vault, sealed for one test."""
    answer = http.post("/vault/seal", json={"reason": "a laptop was stolen"}, headers=admin)
    assert answer.status_code == 200, answer.text
    try:
        yield answer.json()
    finally:
        assert http.post("/vault/unseal", headers=admin).json()["sealed"] is False


@pytest.fixture
def withdrawn(http: httpx.Client, owner: Headers, deposit: str) -> Iterator[str]:
    """A withdrawal of the deposit for its owner."""
    made = http.post("/withdrawals", json={"deposits": [deposit], "reason": "research"}, headers=owner)
    yield made.json()["id"]
    http.delete(f"/withdrawals/{made.json()['id']}", headers=owner)


@pytest.fixture
def ask(http: httpx.Client, data: str) -> Callable[[Headers], httpx.Response]:
    def predict(headers: Headers) -> httpx.Response:
        return http.post(
            "/predict", json={"model": "deposited", "dataset": data, "indices": [0]}, headers=headers
        )

    return predict


def module_of(vault: Vault, deposit: str) -> DepositModuleVersion:
    with vault.sessions.read() as session:
        return session.scalars(
            select(DepositModuleVersion).where(DepositModuleVersion.deposit_id == deposit)
        ).one()


def test_an_open_vault_says_so_and_what_its_key_wraps(
    http: httpx.Client, admin: Headers, deposit: str
) -> None:
    assert deposit
    shown = http.get("/vault", headers=admin).json()
    assert (shown["sealed"], shown["reason"]) == (False, None)
    assert shown["data_keys"][shown["key_id"]] >= 1


@pytest.mark.parametrize("call", [("GET", ""), ("POST", "/unseal"), ("POST", "/rotations")])
def test_the_vault_is_an_admins(
    http: httpx.Client, owner: Headers, member: Headers, call: tuple[str, str]
) -> None:
    method, path = call
    for headers in (owner, member):
        answer = http.request(method, f"/vault{path}", headers=headers)
        assert answer.status_code == 403
        assert "may not seal, open and rotate the vault" in answer.json()["detail"]
    assert http.post("/vault/seal", json={"reason": "mine"}, headers=owner).status_code == 403


def test_sealing_needs_a_reason(http: httpx.Client, admin: Headers) -> None:
    answer = http.post("/vault/seal", json={"reason": ""}, headers=admin)
    assert (answer.status_code, answer.json()["field"]) == (422, "reason")


def test_sealed_targets_are_served_and_deposits_and_withdrawals_answer_503_with_the_reason(
    http: httpx.Client,
    owner: Headers,
    data: str,
    deposit: str,
    ask: Callable[[Headers], httpx.Response],
    sealed_vault: Json,
) -> None:
    assert (sealed_vault["reason"], sealed_vault["sealed_by"]) == ("a laptop was stolen", "admin")
    assert ask(owner).json()[0]["net"] == "target"
    order = {"model": "deposited", "dataset": data, "select": {"classes": ["5"]}}
    withdrawal = {"deposits": [deposit], "reason": "research"}
    for path, body in (("/deposits", order), ("/withdrawals", withdrawal)):
        refusal = http.post(path, json=body, headers=owner)
        assert refusal.status_code == 503, refusal.text
        problem = refusal.json()
        assert problem["type"].endswith("/vault-sealed")
        assert problem["detail"] == "The vault is sealed: a laptop was stolen"
        assert "lirf vault unseal" in problem["remedy"]
    assert http.get("/readyz").status_code == 200


def test_sealed_a_caller_who_holds_the_right_is_refused_and_never_answered_by_another_net(
    http: httpx.Client,
    admin: Headers,
    owner: Headers,
    withdrawn: str,
    ask: Callable[[Headers], httpx.Response],
) -> None:
    assert withdrawn
    assert ask(owner).json()[0]["net"] == "recover"  # cached from here on
    http.post("/vault/seal", json={"reason": "audit"}, headers=admin)
    refusal = ask(owner)
    assert (refusal.status_code, refusal.json()["detail"]) == (503, "The vault is sealed: audit")
    assert ask(admin).json()[0]["net"] == "target"
    http.post("/vault/unseal", headers=admin)
    assert ask(owner).json()[0]["net"] == "recover"


def test_who_may_not_withdraw_is_not_told_that_the_vault_is_sealed(
    http: httpx.Client, member: Headers, deposit: str, sealed_vault: Json
) -> None:
    assert sealed_vault["sealed"]
    answer = http.post("/withdrawals", json={"deposits": [deposit], "reason": "x"}, headers=member)
    assert answer.status_code == 403
    assert "sealed" not in answer.text


def test_a_rotation_is_asked_for_until_nothing_is_left(
    http: httpx.Client,
    admin: Headers,
    owner: Headers,
    withdrawn: str,
    ask: Callable[[Headers], httpx.Response],
) -> None:
    assert withdrawn
    before = http.get("/vault", headers=admin).json()
    step = http.post("/vault/rotations", headers=admin).json()
    after = http.get("/vault", headers=admin).json()
    assert step == {"key_id": after["key_id"], "wrapped": sum(before["data_keys"].values()), "left": 0}
    assert after["key_id"] != before["key_id"]
    assert list(after["data_keys"]) == [after["key_id"]]
    assert ask(owner).json()[0]["net"] == "recover"


@pytest.mark.parametrize("harm", ["chunk", "wrapped key", "lost key"])
def test_harmed_knowledge_is_refused_while_the_target_is_served_on(
    http: httpx.Client,
    admin: Headers,
    owner: Headers,
    vault: Vault,
    deposit: str,
    ask: Callable[[Headers], httpx.Response],
    harm: str,
) -> None:
    module = module_of(vault, deposit)
    chunks = ArtifactChunk.digest == module.digest
    with vault.sessions.read() as session:
        data = session.scalars(select(ArtifactChunk.data).where(chunks, ArtifactChunk.seq == 0)).one()
    with vault.key_store.read() as session:
        key = session.get_one(DataKey, module.key_id).wrapped

    def change(*, data: bytes, key: bytes | None) -> None:
        with vault.sessions.write() as session:
            session.execute(update(ArtifactChunk).where(chunks, ArtifactChunk.seq == 0).values(data=data))
        with vault.key_store.write() as session:
            session.get_one(DataKey, module.key_id).wrapped = key

    assert key is not None
    harmed, status, told = {
        "chunk": ({"data": bytes([data[0] ^ 1]) + data[1:], "key": key}, 503, "/damaged"),
        "wrapped key": ({"data": data, "key": key[:-1] + bytes([key[-1] ^ 1])}, 503, "/damaged"),
        "lost key": ({"data": data, "key": None}, 410, "/gone"),
    }[harm]
    http.post("/vault/seal", json={"reason": "drop what is cached"}, headers=admin)
    http.post("/vault/unseal", headers=admin)
    change(**harmed)
    made = http.post("/withdrawals", json={"deposits": [deposit], "reason": "x"}, headers=owner)
    try:
        refusal = ask(owner)
        assert (refusal.status_code, refusal.json()["type"][-len(told) :]) == (status, told), refusal.text
        assert ask(admin).json()[0]["net"] == "target"
    finally:
        http.delete(f"/withdrawals/{made.json()['id']}", headers=owner)
        change(data=data, key=key)
