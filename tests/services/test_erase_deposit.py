"""Erasure in two phases: disabled, then shredded when its time has come, or taken back before."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from app.db.keystore.models import DataKey
from app.db.models import Deposit
from app.db.repositories import deposits, ledger, rights
from app.db.session import Session
from app.domain.errors import Conflict, Gone, NotFound
from app.domain.rights import Caller, Role
from app.services.erase_deposit import enable_deposit, erase_deposit, erase_due
from app.services.roll_back_model import roll_back
from app.services.views import AcceptedView
from app.services.withdraw import WithdrawalOrder, create_withdrawal
from app.vault.vault import Vault

NOW, WEEK = timedelta(0), timedelta(days=7)

Ask = Callable[..., AcceptedView]


@pytest.fixture
def withdrawn(vault: Vault, owner: Caller, sealed: str) -> str:
    with vault.sessions.write() as session:
        create_withdrawal(session, vault.lock, owner, WithdrawalOrder((sealed,), "caller", "research", None))
    return sealed


def state_of(vault: Vault, deposit: str) -> tuple[str, int]:
    """Its state, and how many data keys are left."""
    with vault.sessions.read() as session:
        row = deposits.get(session, deposit)
    with vault.key_store.read() as session:
        keys = session.scalars(select(DataKey).where(DataKey.wrapped.is_not(None))).all()
    assert row is not None
    return row.state, len(keys)


def held(session: Session, owner: Caller, deposit: str) -> bool:
    row = deposits.get(session, deposit)
    assert row is not None
    return deposit in rights.withdrawn_deposits(session, row.model_id, owner.principal_id)


def make_due(vault: Vault) -> None:
    with vault.sessions.write() as session:
        session.execute(update(Deposit).values(erase_at=datetime.now(UTC) - timedelta(seconds=1)))


def decisions(vault: Vault, deposit: str) -> list[str]:
    with vault.sessions.read() as session:
        return [entry.decision for entry in ledger.of_subject(session, deposit)][3:]


def test_a_disabled_deposit_answers_nobody_and_keeps_its_keys_until_its_time_has_come(
    vault: Vault, owner: Caller, withdrawn: str
) -> None:
    view = erase_deposit(vault, owner, withdrawn, WEEK)
    assert (view.state, view.erase_at is not None) == ("disabled", True)
    assert state_of(vault, withdrawn) == ("disabled", 3)
    with vault.sessions.read() as session:
        assert not held(session, owner, withdrawn)
    with pytest.raises(Gone, match="is disabled and about to be erased"), vault.sessions.write() as session:
        create_withdrawal(session, vault.lock, owner, WithdrawalOrder((withdrawn,), "caller", "x", None))
    assert erase_due(vault) == 0
    make_due(vault)
    assert erase_due(vault) == 1
    assert state_of(vault, withdrawn) == ("erased", 0)
    assert erase_due(vault) == 0
    assert decisions(vault, withdrawn) == ["deposit.disabled", "deposit.erased"]


def test_an_erasure_that_is_taken_back_leaves_everything_as_it_was(
    vault: Vault, owner: Caller, withdrawn: str
) -> None:
    erase_deposit(vault, owner, withdrawn, WEEK)
    view = enable_deposit(vault.sessions, owner, withdrawn)
    assert (view.state, view.erase_at) == ("sealed", None)
    with vault.sessions.read() as session:
        assert held(session, owner, withdrawn)
    assert erase_due(vault) == 0
    assert state_of(vault, withdrawn) == ("sealed", 3)
    assert decisions(vault, withdrawn) == ["deposit.disabled", "deposit.enabled"]


def test_a_disabled_deposit_can_be_erased_at_once(vault: Vault, owner: Caller, sealed: str) -> None:
    erase_deposit(vault, owner, sealed, WEEK)
    assert erase_deposit(vault, owner, sealed, NOW).state == "erased"
    assert state_of(vault, sealed) == ("erased", 0)


def test_what_is_not_disabled_cannot_be_enabled_and_what_is_erased_stays_so(
    vault: Vault, owner: Caller, sealed: str
) -> None:
    with pytest.raises(Conflict, match="is sealed, not disabled"):
        enable_deposit(vault.sessions, owner, sealed)
    erase_deposit(vault, owner, sealed, NOW)
    for again in (
        lambda: enable_deposit(vault.sessions, owner, sealed),
        lambda: erase_deposit(vault, owner, sealed, WEEK),
    ):
        with pytest.raises(Gone, match="was erased for ever"):
            again()


def test_a_stranger_learns_nothing_of_it(vault: Vault, sealed: str) -> None:
    stranger = Caller("prn_other", "other", Role.OWNER, "key")
    with pytest.raises(NotFound):
        enable_deposit(vault.sessions, stranger, sealed)


def test_an_erasure_waits_while_an_original_that_knows_it_is_served(
    vault: Vault, owner: Caller, model: str, sealed: str
) -> None:
    erase_deposit(vault, owner, sealed, WEEK)
    make_due(vault)
    roll_back(vault.sessions, owner, model, 1)
    assert erase_due(vault) == 0
    assert state_of(vault, sealed) == ("disabled", 3)
    roll_back(vault.sessions, owner, model, 2)
    assert erase_due(vault) == 1
