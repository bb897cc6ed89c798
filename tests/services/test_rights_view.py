"""What is known in memory is what the database says, until something is decided, expires, or is not to be seen."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, update

from app.config import Settings
from app.db.models import ApiKey, Grant, Principal
from app.db.session import Sessions
from app.domain.errors import NotFound, Unauthenticated
from app.domain.rights import Caller, Role
from app.services.manage_grants import create_grant, revoke_grant
from app.services.manage_keys import create_key, revoke_key
from app.services.rights_view import BELIEVED_SECONDS, RightsView
from app.services.run_job import run_job
from app.services.views import AcceptedView
from app.services.withdraw import WithdrawalOrder, create_withdrawal
from app.vault.vault import Vault

ADMIN = Caller("prn_admin", "admin", Role.ADMIN, "key")
MEMBER = Caller("prn_member", "member", Role.MEMBER, "key")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.wall = datetime.now(UTC).timestamp()

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds


class Queries:
    """Counts what the database is asked."""

    def __init__(self, sessions: Sessions) -> None:
        self.count = 0
        event.listen(sessions.engine, "before_cursor_execute", self._asked)

    def _asked(self, *_: object) -> None:
        self.count += 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def view(vault: Vault, clock: Clock) -> RightsView:
    made = RightsView(vault.sessions, lambda: clock.now, lambda: clock.wall)
    with vault.sessions.write() as session:
        session.add_all(
            Principal(id=caller.principal_id, name=caller.name, role=caller.role)
            for caller in (ADMIN, MEMBER)
        )
    made.look()
    return made


@pytest.fixture
def deposit(
    vault: Vault, settings: Settings, view: RightsView, ask_deposit: Callable[..., AcceptedView]
) -> str:
    accepted = ask_deposit("3", evaluate=False)
    run_job(vault, settings, accepted.job)
    view.look()
    return accepted.deposits[0]


@pytest.fixture
def granted(vault: Vault, owner: Caller, view: RightsView, deposit: str) -> str:
    """A grant of the member's, and their withdrawal by it."""
    with vault.sessions.write() as session:
        grant = create_grant(session, owner, principal="member", deposit=deposit, model=None, expires_at=None)
    with vault.sessions.write() as session:
        create_withdrawal(session, vault.lock, MEMBER, WithdrawalOrder((deposit,), "caller", "x", None))
    view.look()
    return grant.id


def test_what_is_known_costs_no_query(
    vault: Vault, view: RightsView, model: str, owner: Caller, granted: str
) -> None:
    assert granted
    with vault.sessions.write() as session:
        key = create_key(session, ADMIN, principal="member", role="member", expires_at=None).key
    view.look()
    callers = [view.caller(key) for _ in range(2)]
    nets = [view.entitlement(callers[0], model).net for _ in range(2)]
    queries = Queries(vault.sessions)
    for _ in range(5):
        assert view.caller(key) == callers[0]
        assert view.entitlement(callers[0], model).net == nets[0] == "recover"
        assert view.entitlement(callers[0], model).deposits
    assert queries.count == 0
    view.look()
    assert 1 <= queries.count <= 2  # SQLite's BEGIN is one, too
    assert owner.principal_id != callers[0].principal_id


def test_a_decision_of_another_process_is_seen_at_the_next_look(
    vault: Vault, view: RightsView, model: str, owner: Caller, granted: str
) -> None:
    assert view.entitlement(MEMBER, model).net == "recover"
    revoke_grant(vault.sessions, owner, granted)
    view.look()
    assert view.entitlement(MEMBER, model).net == "target"


def test_a_decision_of_its_own_is_known_at_once(
    vault: Vault, view: RightsView, model: str, owner: Caller, granted: str
) -> None:
    assert view.entitlement(MEMBER, model).net == "recover"
    revoke_grant(vault.sessions, owner, granted)
    view.forget()
    assert view.entitlement(MEMBER, model).net == "target"


def test_nothing_in_memory_is_believed_when_the_last_look_is_too_old(
    vault: Vault, view: RightsView, clock: Clock, model: str, owner: Caller, granted: str
) -> None:
    assert view.entitlement(MEMBER, model).net == "recover"
    revoke_grant(vault.sessions, owner, granted)
    clock.pass_by(BELIEVED_SECONDS + 0.01)
    assert view.entitlement(MEMBER, model).net == "target"


def test_a_grant_that_expires_is_asked_for_again_without_any_decision(
    vault: Vault, view: RightsView, clock: Clock, model: str, granted: str
) -> None:
    soon = datetime.fromtimestamp(clock.wall, UTC) + timedelta(hours=1)
    with vault.sessions.write() as session:
        session.execute(update(Grant).where(Grant.id == granted).values(expires_at=soon))
    view.forget()
    assert view.entitlement(MEMBER, model).net == "recover"
    with vault.sessions.write() as session:
        session.execute(update(Grant).where(Grant.id == granted).values(expires_at=soon - timedelta(days=1)))
    clock.wall += 3500
    assert view.entitlement(MEMBER, model).net == "recover"  # known, and not yet due
    clock.wall += 200
    assert view.entitlement(MEMBER, model).net == "target"


def test_what_was_read_while_something_was_decided_is_not_kept(
    vault: Vault, view: RightsView, model: str, owner: Caller, granted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.services import rights_view  # noqa: PLC0415

    real = rights_view.entitlement

    def slow(*arguments: object) -> object:
        found = real(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(rights_view, "entitlement", real)
        revoke_grant(vault.sessions, owner, granted)
        view.forget()
        return found

    monkeypatch.setattr(rights_view, "entitlement", slow)
    assert view.entitlement(MEMBER, model).net == "recover"  # read before the revocation
    assert view.entitlement(MEMBER, model).net == "target"


def test_a_revoked_key_is_refused_after_a_look_and_a_wrong_secret_always(
    vault: Vault, view: RightsView
) -> None:
    with vault.sessions.write() as session:
        made = create_key(session, ADMIN, principal="member", role="member", expires_at=None)
    view.look()
    assert made.key is not None
    assert view.caller(made.key).name == "member"
    wrong = made.key[:-1] + ("0" if made.key[-1] != "0" else "1")
    with pytest.raises(Unauthenticated, match="unknown, revoked or expired"):
        view.caller(wrong)
    revoke_key(vault.sessions, ADMIN, made.id)
    view.look()
    with pytest.raises(Unauthenticated):
        view.caller(made.key)


def test_a_key_that_expires_is_refused_from_then_on(vault: Vault, view: RightsView, clock: Clock) -> None:
    soon = datetime.fromtimestamp(clock.wall, UTC) + timedelta(days=1)
    with vault.sessions.write() as session:
        made = create_key(session, ADMIN, principal="member", role="member", expires_at=soon)
    view.look()
    assert view.caller(made.key).name == "member"
    with vault.sessions.write() as session:
        session.execute(update(ApiKey).values(expires_at=soon - timedelta(days=2)))
    assert view.caller(made.key).name == "member"
    clock.wall += 24 * 3600 + 1
    with pytest.raises(Unauthenticated):
        view.caller(made.key)


def test_refusals_are_not_kept(view: RightsView, owner: Caller) -> None:
    with pytest.raises(NotFound, match="There is no model 'none'"):
        view.entitlement(owner, "none")
    for key in (None, "nonsense"):
        with pytest.raises(Unauthenticated):
            view.caller(key)
