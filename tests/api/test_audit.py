"""Each decision is in the ledger, with who, why, by which key and on which request; without an entry there is none."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, select, update

from app.db.models import Grant, LedgerHead, Principal
from app.db.session import Sessions
from app.domain.ledger import GENESIS, HEAD_TYPE, Entry, first_break
from app.vault.dsse import verified
from app.vault.signing import parse_public_key

Json = dict[str, Any]
Headers = dict[str, str]


@pytest.fixture
def ledger(http: httpx.Client, admin: Headers) -> Callable[[], list[Json]]:
    def read() -> list[Json]:
        entries: list[Json] = []
        while page := http.get("/audit", params={"limit": 50, "after": len(entries)}, headers=admin).json():
            entries += page
        return entries

    return read


def newest(entries: list[Json]) -> Json:
    return {name: entries[-1][name] for name in ("decision", "actor", "subject", "reason", "facts")}


def test_a_grant_a_withdrawal_and_their_ends_are_entries(
    http: httpx.Client,
    owner: Headers,
    member: Headers,
    deposit: str,
    ledger: Callable[[], list[Json]],
    database: Sessions,
) -> None:
    with database.read() as session:
        owner_id = session.scalars(select(Principal.id).where(Principal.name == "owner")).one()
    named = {**owner, "X-Request-ID": "trace-1"}
    grant = http.post("/grants", json={"principal": "member", "deposit": deposit}, headers=named)
    entry = ledger()[-1]
    assert grant.headers["x-request-id"] == "trace-1"
    assert entry["request_id"] == "trace-1"
    assert entry["key_id"] == owner["Authorization"].split("_")[1]
    assert entry["owner"] == owner_id
    assert newest(ledger()) == {
        "decision": "grant.made",
        "actor": "owner",
        "subject": grant.json()["id"],
        "reason": None,
        "facts": {"principal": "member", "deposit": deposit, "model": None, "expires_at": None},
    }
    wish = {"deposits": [deposit], "reason": "a study", "expires_at": "2090-01-01T00:00:00Z"}
    withdrawal = http.post("/withdrawals", json=wish, headers=member).json()["id"]
    assert newest(ledger()) == {
        "decision": "withdrawal.made",
        "actor": "member",
        "subject": withdrawal,
        "reason": "a study",
        "facts": {"deposits": [deposit], "scope": "member", "expires_at": "2090-01-01T00:00:00.000000Z"},
    }
    for _ in range(2):
        http.delete(f"/withdrawals/{withdrawal}", headers=member)
        http.delete(f"/grants/{grant.json()['id']}", headers=owner)
    assert [one["decision"] for one in ledger()[-2:]] == ["withdrawal.ended", "grant.revoked"]


def test_the_course_of_a_deposit_is_in_it_from_the_first_key_on(
    deposit: str, ledger: Callable[[], list[Json]]
) -> None:
    entries = ledger()
    assert (entries[0]["decision"], entries[0]["actor"]) == ("key.made", "service")
    mine = [entry for entry in entries if entry["subject"] == deposit]
    assert [(entry["decision"], entry["actor"]) for entry in mine[:2]] == [
        ("deposit.ordered", "owner"),
        ("deposit.sealed", "service"),
    ]
    assert mine[0]["facts"]["images"] > 0
    assert mine[1]["facts"]["base"] == 1
    kinds = {entry["decision"] for entry in entries}
    assert {"model.registered", "dataset.registered"} <= kinds


def test_a_cancelled_deposit_names_who_cancelled_it(
    http: httpx.Client, owner: Headers, model: str, data: str, ledger: Callable[[], list[Json]]
) -> None:
    order = {"model": model, "dataset": data, "select": {"classes": ["1"]}}
    accepted = http.post("/deposits", json=order, headers=owner).json()
    http.delete(f"/jobs/{accepted['job']}", headers=owner)
    assert newest(ledger()) == {
        "decision": "deposit.cancelled",
        "actor": "owner",
        "subject": accepted["deposits"][0],
        "reason": None,
        "facts": {"job": accepted["job"]},
    }


def test_the_whole_is_one_unbroken_chain_whose_head_is_signed(
    http: httpx.Client, member: Headers, deposit: str, ledger: Callable[[], list[Json]]
) -> None:
    assert deposit
    entries = [Entry(**entry) for entry in ledger()]
    assert first_break(entries) is None
    assert entries[0].previous == GENESIS
    head = http.get("/audit/head", headers=member).json()
    signed = verified(head["envelope"], HEAD_TYPE, parse_public_key(head["public_key"].encode()))
    assert (
        (signed["seq"], signed["hash"]) == (head["seq"], head["hash"]) == (entries[-1].seq, entries[-1].hash)
    )


def test_a_member_does_not_read_it_and_an_owner_reads_what_is_theirs(
    http: httpx.Client,
    owner: Headers,
    member: Headers,
    deposit: str,
    headers_of: Callable[..., Headers],
    ledger: Callable[[], list[Json]],
) -> None:
    refusal = http.get("/audit", headers=member)
    assert (refusal.status_code, refusal.json()["detail"]) == (
        403,
        "member (member) may not read the ledger.",
    )
    mine = http.get("/audit", params={"limit": 1000}, headers=owner).json()
    assert deposit in {entry["subject"] for entry in mine}
    assert {entry["seq"] for entry in mine} < {entry["seq"] for entry in ledger()}
    other = http.get("/audit", headers=headers_of("auditless", "owner")).json()
    assert [entry["decision"] for entry in other] == ["key.made"]


def test_a_refused_request_leaves_no_entry(
    http: httpx.Client, member: Headers, deposit: str, ledger: Callable[[], list[Json]]
) -> None:
    before = ledger()
    answer = http.post("/withdrawals", json={"deposits": [deposit], "reason": "x"}, headers=member)
    assert answer.status_code == 403
    assert ledger() == before


def test_a_decision_that_cannot_be_written_down_is_not_taken(
    http: httpx.Client, owner: Headers, member: Headers, deposit: str, database: Sessions
) -> None:
    assert member
    with database.read() as session:
        head = session.scalars(select(LedgerHead)).one()
        seq, newest_hash = head.seq, head.hash
        grants = len(session.scalars(select(Grant)).unique().all())
    with database.write() as session:
        session.execute(delete(LedgerHead))
    try:
        answer = http.post("/grants", json={"principal": "member", "deposit": deposit}, headers=owner)
        assert answer.status_code == 500
        with database.read() as session:
            assert len(session.scalars(select(Grant)).unique().all()) == grants
    finally:
        with database.write() as session:
            session.add(LedgerHead(id=1, seq=seq, hash=newest_hash))


@pytest.mark.parametrize("given", ["", "with space", "x" * 200, "häßlich"])
def test_a_request_id_that_cannot_be_used_is_replaced(http: httpx.Client, given: str) -> None:
    answer = http.get("/healthz", headers={"X-Request-ID": given.encode()})
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["x-request-id"] != http.get("/healthz").headers["x-request-id"]


def test_a_rewritten_head_is_seen_against_a_kept_one(
    http: httpx.Client, owner: Headers, deposit: str, database: Sessions
) -> None:
    assert deposit
    kept = http.get("/audit/head", headers=owner).json()
    with database.write() as session:
        session.execute(update(LedgerHead).values(hash="f" * 64))
    try:
        now = http.get("/audit/head", headers=owner).json()
        assert (now["seq"], now["hash"]) == (kept["seq"], "f" * 64) != (kept["seq"], kept["hash"])
    finally:
        with database.write() as session:
            session.execute(update(LedgerHead).values(hash=kept["hash"]))
