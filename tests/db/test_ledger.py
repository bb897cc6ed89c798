"""The ledger takes entries, in turn, and gives none back: on SQLite and on PostgreSQL."""

import threading
from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import DBAPIError

from app.db.models import LedgerEntry
from app.db.repositories import ledger
from app.db.session import Session, Sessions
from app.domain.errors import Conflict
from app.domain.ledger import GENESIS, Decision, Entry, first_break


def append(session: Session, **changes: Any) -> Entry:
    fields: dict[str, Any] = {
        "actor": "olga",
        "key_id": "k1",
        "decision": Decision.GRANT_MADE,
        "subject": "grt_1",
        "owner": "prn_1",
        "reason": "ünïcode",
        "request_id": None,
        "facts": {"b": [1, {"a": None}], "a": "x"},
        **changes,
    }
    return ledger.append(session, **fields)


def _append_and_fail(session: Session) -> None:
    append(session)
    raise ValueError("too late")


def all_of(sessions: Sessions) -> list[Entry]:
    with sessions.read() as session:
        return ledger.page(session, after=0, limit=1000)


def test_what_is_read_back_is_an_unbroken_chain_up_to_its_head(sessions: Sessions) -> None:
    with sessions.read() as session:
        assert ledger.head(session) == (0, GENESIS)
    with sessions.write() as session:
        written = [append(session, subject=f"grt_{number}") for number in range(5)]
    assert all_of(sessions) == written
    assert first_break(written) is None
    with sessions.read() as session:
        assert ledger.head(session) == (5, written[-1].hash)
        assert ledger.page(session, after=2, limit=2) == written[2:4]


@pytest.mark.parametrize("change", [update(LedgerEntry).values(actor="mallory"), delete(LedgerEntry)])
def test_the_database_refuses_to_change_or_delete_an_entry(sessions: Sessions, change: Any) -> None:
    with sessions.write() as session:
        append(session)
    with (
        pytest.raises((DBAPIError, Conflict)) as refusal,
        sessions.write() as session,
    ):
        session.execute(change)
    assert "append-only" in str(refusal.value) + str(refusal.value.__cause__)
    assert [entry.actor for entry in all_of(sessions)] == ["olga"]


def test_a_transaction_that_fails_leaves_no_entry(sessions: Sessions) -> None:
    with pytest.raises(ValueError, match="too late"), sessions.write() as session:
        _append_and_fail(session)
    assert all_of(sessions) == []
    with sessions.write() as session:
        assert append(session).seq == 1


def test_appends_at_once_take_turns(sessions: Sessions) -> None:
    def write(actor: str) -> None:
        for _ in range(10):
            with sessions.write() as session:
                append(session, actor=actor)

    writers = [threading.Thread(target=write, args=(f"writer {number}",)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    entries = all_of(sessions)
    assert len(entries) == 40
    assert first_break(entries) is None


def test_an_owner_finds_what_is_theirs_and_what_they_decided(sessions: Sessions) -> None:
    with sessions.write() as session:
        append(session, owner="prn_1", actor="root")
        append(session, owner="prn_2", actor="olga")
        append(session, owner="prn_2", actor="root")
        append(session, owner=None, actor="root", subject="vault")
    with sessions.read() as session:
        found = ledger.page(session, after=0, limit=10, owner="prn_1", actor="olga")
    assert [entry.seq for entry in found] == [1, 2]
