"""What a certificate states, and what it keeps to itself."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from app.domain.certificate import Facts, commitment, statement
from app.domain.ledger import Entry

SET, SALT = "ab" * 32, "cd" * 32


def entry(decision: str, seq: int, facts: dict[str, Any]) -> Entry:
    at = "2026-01-01T00:00:00.000000Z"
    return Entry(seq, at, "olga", None, decision, "dep_1", "prn_1", None, None, facts, "0" * 64, "f" * 64)


@pytest.fixture
def facts() -> Facts:
    digests = {"base": {"shallow": "1" * 64, "deep": "2" * 64}, "target": {"shallow": "3" * 64}}
    return Facts(
        deposit="dep_1",
        model="digits",
        set_digest=SET,
        set_size=7,
        salt=SALT,
        objective="lirf+",
        config={"epochs": 2},
        metrics={"target": {"dep": 0.0}},
        audits=[{"version": 2, "probe": {"deposited": 40.0, "kept": 80.0}}],
        entries=[
            entry("deposit.ordered", 3, {"images": 7}),
            entry("deposit.sealed", 5, {"base": 1, "target": 2, "digests": digests}),
        ],
    )


def test_it_is_an_in_toto_statement_about_the_parts_of_both_versions(facts: Facts) -> None:
    stated = statement(facts)
    assert stated["_type"] == "https://in-toto.io/Statement/v1"
    assert stated["subject"] == [
        {"name": "digits/1/shallow", "digest": {"sha256": "1" * 64}},
        {"name": "digits/1/deep", "digest": {"sha256": "2" * 64}},
        {"name": "digits/2/shallow", "digest": {"sha256": "3" * 64}},
    ]
    predicate = stated["predicate"]
    assert (predicate["baseVersion"], predicate["targetVersion"]) == (1, 2)
    assert (predicate["config"], predicate["metrics"]) == ({"epochs": 2}, {"target": {"dep": 0.0}})
    assert [one["seq"] for one in predicate["ledger"]] == [3, 5]


def test_the_set_is_committed_to_and_not_told(facts: Facts) -> None:
    stated = statement(facts)
    expected = hashlib.sha256(bytes.fromhex(SALT + SET)).hexdigest()
    assert stated["predicate"]["set"] == {"commitment": {"sha256": expected}, "images": 7}
    assert commitment(SET, SALT) == expected
    assert SET not in str(stated)
    assert SALT not in str(stated)
    other = statement(replace(facts, salt="ee" * 32))
    assert other["predicate"]["set"] != stated["predicate"]["set"]


def test_an_erasure_is_stated_too(facts: Facts) -> None:
    erased = replace(facts, entries=[*facts.entries, entry("deposit.erased", 9, {})])
    assert statement(erased)["predicate"]["ledger"][-1]["decision"] == "deposit.erased"


def test_it_never_claims_more_than_was_measured(facts: Facts) -> None:
    text = str(statement(facts)).lower()
    assert "complian" not in text
    assert "does not state that nothing of the set can be inferred" in text
