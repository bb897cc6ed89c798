"""Whose knowledge a caller is answered with now: every way to hold it and every way to lose it."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from app.db.models import Grant, Principal, Withdrawal, WithdrawalDeposit, utc_now
from app.db.repositories import deposits, rights
from app.db.session import Sessions
from app.domain.lifecycle import DepositState

MakeRow = Callable[..., str]
Withdraw = Callable[..., str]

PAST, FUTURE = timedelta(hours=-1), timedelta(hours=1)


@pytest.fixture
def model(make_model: MakeRow) -> str:
    return make_model()


@pytest.fixture
def deposit(make_deposit: MakeRow, model: str) -> str:
    return make_deposit(model)


@pytest.fixture
def admin(make_principal: MakeRow) -> str:
    return make_principal("admin")


@pytest.fixture
def member(make_principal: MakeRow) -> str:
    return make_principal("member")


@pytest.fixture
def withdraw(sessions: Sessions, model: str, deposit: str) -> Withdraw:
    """A withdrawal of the deposit ``by`` a principal, for a principal or (None) for everyone."""

    def make(by: str, scope: str | None, *, expires: timedelta | None = None, ended: bool = False) -> str:
        with sessions.write() as session:
            row = Withdrawal(model_id=model, principal_id=scope, created_by=by, reason="to test")
            row.expires_at = None if expires is None else utc_now() + expires
            row.ended_at = utc_now() if ended else None
            session.add(row)
            session.flush()
            session.add(WithdrawalDeposit(withdrawal_id=row.id, deposit_id=deposit))
            return row.id

    return make


@pytest.fixture
def grant(sessions: Sessions) -> Callable[..., None]:
    def make(
        to: str,
        *,
        deposit: str | None = None,
        model: str | None = None,
        expires: timedelta | None = None,
        revoked: bool = False,
    ) -> None:
        with sessions.write() as session:
            row = Grant(principal_id=to, deposit_id=deposit, model_id=model, granted_by=to)
            row.expires_at = None if expires is None else utc_now() + expires
            row.revoked_at = utc_now() if revoked else None
            session.add(row)

    return make


def held(sessions: Sessions, model: str, principal: str) -> list[str]:
    with sessions.read() as session:
        return list(rights.withdrawn_deposits(session, model, principal))


def test_nobody_holds_what_nobody_withdrew(sessions: Sessions, model: str, deposit: str, admin: str) -> None:
    assert deposit
    assert held(sessions, model, admin) == []


@pytest.mark.parametrize(
    ("expires", "ended", "holds"),
    [
        (None, False, True),
        (FUTURE, False, True),
        (PAST, False, False),
        (None, True, False),
        (FUTURE, True, False),
        (PAST, True, False),
    ],
)
def test_a_withdrawal_counts_until_it_ends_or_expires(
    sessions: Sessions,
    model: str,
    deposit: str,
    admin: str,
    withdraw: Withdraw,
    *,
    expires: timedelta | None,
    ended: bool,
    holds: bool,
) -> None:
    withdraw(admin, admin, expires=expires, ended=ended)
    assert held(sessions, model, admin) == ([deposit] if holds else [])


@pytest.mark.parametrize(
    ("expires", "revoked", "holds"),
    [
        (None, False, True),
        (FUTURE, False, True),
        (PAST, False, False),
        (None, True, False),
        (FUTURE, True, False),
        (PAST, True, False),
    ],
)
@pytest.mark.parametrize("over", ["deposit", "model"])
def test_a_grant_carries_a_withdrawal_until_it_expires_or_is_revoked(
    sessions: Sessions,
    model: str,
    deposit: str,
    member: str,
    withdraw: Withdraw,
    grant: Callable[..., None],
    over: str,
    *,
    expires: timedelta | None,
    revoked: bool,
    holds: bool,
) -> None:
    withdraw(member, member)
    assert held(sessions, model, member) == []
    grant(member, **{over: {"deposit": deposit, "model": model}[over]}, expires=expires, revoked=revoked)
    assert held(sessions, model, member) == ([deposit] if holds else [])
    with sessions.read() as session:
        row = deposits.get(session, deposit)
        assert row is not None
        assert rights.has_grant(session, member, row) is holds


def test_one_live_grant_among_dead_ones_is_enough(
    sessions: Sessions, model: str, deposit: str, member: str, withdraw: Withdraw, grant: Callable[..., None]
) -> None:
    withdraw(member, member)
    grant(member, deposit=deposit, revoked=True)
    grant(member, model=model)
    assert held(sessions, model, member) == [deposit]


def test_a_grant_on_another_deposit_carries_nothing(
    sessions: Sessions,
    model: str,
    member: str,
    make_deposit: MakeRow,
    withdraw: Withdraw,
    grant: Callable[..., None],
) -> None:
    withdraw(member, member)
    grant(member, deposit=make_deposit(model))
    assert held(sessions, model, member) == []


@pytest.mark.parametrize(
    ("role", "owns", "holds"),
    [
        ("owner", "model", True),
        ("owner", "deposit", True),
        ("owner", "nothing", False),
        ("member", "model", False),
        ("member", "deposit", False),
    ],
)
def test_owners_withdraw_what_they_own_while_they_are_owners(
    sessions: Sessions,
    make_principal: MakeRow,
    make_model: MakeRow,
    make_deposit: MakeRow,
    role: str,
    owns: str,
    *,
    holds: bool,
) -> None:
    maker = make_principal("owner")
    model = make_model(maker if owns == "model" else None)
    deposit = make_deposit(model, maker if owns == "deposit" else None)
    with sessions.write() as session:
        session.get_one(Principal, maker).role = role
        row = Withdrawal(model_id=model, principal_id=maker, created_by=maker, reason="to test")
        session.add(row)
        session.flush()
        session.add(WithdrawalDeposit(withdrawal_id=row.id, deposit_id=deposit))
    assert held(sessions, model, maker) == ([deposit] if holds else [])


def test_a_withdrawal_for_everyone_answers_every_caller(
    sessions: Sessions, model: str, deposit: str, admin: str, member: str, withdraw: Withdraw
) -> None:
    withdraw(admin, None)
    assert held(sessions, model, member) == held(sessions, model, admin) == [deposit]


def test_a_withdrawal_for_one_answers_no_other_caller_not_even_its_maker(
    sessions: Sessions, model: str, deposit: str, admin: str, member: str, withdraw: Withdraw
) -> None:
    withdraw(admin, member)
    assert held(sessions, model, member) == [deposit]
    assert held(sessions, model, admin) == []


def test_a_withdrawal_for_everyone_ends_with_its_makers_right(
    sessions: Sessions, model: str, deposit: str, member: str, withdraw: Withdraw, grant: Callable[..., None]
) -> None:
    withdraw(member, None)
    grant(member, deposit=deposit, expires=PAST)
    assert held(sessions, model, member) == []


def test_two_withdrawals_of_one_deposit_count_once(
    sessions: Sessions, model: str, deposit: str, admin: str, withdraw: Withdraw
) -> None:
    withdraw(admin, admin)
    withdraw(admin, None)
    assert held(sessions, model, admin) == [deposit]


def test_what_was_withdrawn_from_one_model_is_not_in_another(
    sessions: Sessions, admin: str, make_model: MakeRow, withdraw: Withdraw
) -> None:
    withdraw(admin, admin)
    assert held(sessions, make_model(), admin) == []


def test_an_erased_deposit_is_held_by_nobody(
    sessions: Sessions, model: str, deposit: str, admin: str, withdraw: Withdraw
) -> None:
    withdraw(admin, admin)
    with sessions.write() as session:
        row = deposits.get(session, deposit)
        assert row is not None
        row.state = DepositState.ERASED
    assert held(sessions, model, admin) == []
