"""A chain that was touched anywhere says where."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.ledger import GENESIS, Decision, Entry, first_break, hash_of, instant


def entry(seq: int, previous: str, **changes: Any) -> Entry:
    fields: dict[str, Any] = {
        "seq": seq,
        "at": instant(datetime(2026, 1, seq, tzinfo=UTC)),
        "actor": "olga",
        "key_id": "k1",
        "decision": str(Decision.GRANT_MADE),
        "subject": f"grt_{seq}",
        "owner": "prn_1",
        "reason": None,
        "request_id": f"req_{seq}",
        "facts": {"principal": "carol", "list": [1, 2]},
        "previous": previous,
        **changes,
    }
    return Entry(**fields, hash=hash_of(fields))


@pytest.fixture
def chain() -> list[Entry]:
    made: list[Entry] = []
    for seq in range(1, 6):
        made.append(entry(seq, made[-1].hash if made else GENESIS))
    return made


def test_an_untouched_chain_has_no_break(chain: list[Entry]) -> None:
    assert first_break(chain) is None
    assert first_break([]) is None
    assert first_break(chain[2:], seq=2, previous=chain[1].hash) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("at", "2025-01-01T00:00:00.000000Z"),
        ("actor", "mallory"),
        ("key_id", None),
        ("decision", "grant.revoked"),
        ("subject", "grt_9"),
        ("owner", "prn_2"),
        ("reason", "because"),
        ("request_id", None),
        ("facts", {"principal": "carol", "list": [2, 1]}),
    ],
)
@pytest.mark.parametrize("at", [0, 2, 4])
def test_a_changed_field_is_found_where_it_is(chain: list[Entry], field: str, value: Any, at: int) -> None:
    chain[at] = replace(chain[at], **{field: value})
    found = first_break(chain)
    assert found is not None
    assert (found.seq, found.problem) == (
        at + 1,
        f"entry {at + 1} was changed: its hash is not that of its content",
    )


def test_a_changed_entry_with_a_hash_to_match_breaks_the_next_one(chain: list[Entry]) -> None:
    chain[1] = entry(2, chain[0].hash, actor="mallory")
    found = first_break(chain)
    assert found is not None
    assert found.problem == "entry 3 does not name the hash of the entry before it"


@pytest.mark.parametrize("order", [[0, 1, 3, 4], [0, 2, 1, 3, 4], [0, 0, 1, 2, 3, 4], [1, 2, 3, 4]])
def test_missing_moved_and_doubled_entries_are_found(chain: list[Entry], order: list[int]) -> None:
    assert first_break([chain[index] for index in order]) is not None


@given(
    st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=5), st.none()), max_size=4)
)
def test_equal_content_has_one_hash_whatever_the_order_of_its_keys(facts: dict[str, Any]) -> None:
    one = asdict(entry(1, GENESIS, facts=facts))
    other = dict(reversed(one.items())) | {"facts": dict(reversed(facts.items()))}
    assert hash_of(one) == hash_of(other)


def test_the_hash_of_a_known_entry_stays_what_it_is() -> None:
    assert entry(1, GENESIS).hash == "561cc3ca0c9582da6bad0a2f3569f1b342241c9b54083bbd6b0056388e4aa9cf"
