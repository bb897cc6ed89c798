"""Rules that hold before any training: keys, repeats, withdrawals, erasing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from app.config import Settings
from app.db.models import ApiKey, Grant, Principal
from app.db.repositories import deposits
from app.db.session import Session, Sessions
from app.domain.errors import Conflict, Forbidden, Gone, Invalid, NotFound, Unauthenticated
from app.domain.rights import Caller, Role
from app.services.authenticate import KeyText, authenticate
from app.services.erase_deposit import erase_deposit
from app.services.idempotency import Repeatable, create_once, fingerprint
from app.services.manage_keys import create_key, make_first_key, revoke_key
from app.services.run_job import run_job
from app.services.views import AcceptedView
from app.services.withdraw import WithdrawalOrder, create_withdrawal
from app.vault.vault import Vault

NOW = timedelta(0)

AskDeposit = Callable[..., AcceptedView]

ADMIN = Caller("prn_admin", "admin", Role.ADMIN, "key_admin")


@pytest.fixture
def sealed(vault: Vault, settings: Settings, ask_deposit: AskDeposit) -> str:
    accepted = ask_deposit("3")
    run_job(vault, settings, accepted.job)
    return accepted.deposits[0]


def order(*chosen: str, scope: str = "caller", expires_at: datetime | None = None) -> WithdrawalOrder:
    return WithdrawalOrder(chosen, scope, "to test", expires_at)


class TestKeys:
    def made(self, sessions: Sessions) -> tuple[str, str]:
        with sessions.write() as session:
            view = create_key(session, ADMIN, principal="holder", role=Role.MEMBER, expires_at=None)
        assert view.key is not None
        return view.id, view.key

    def test_a_key_names_its_holder(self, sqlite_sessions: Sessions) -> None:
        key_id, key = self.made(sqlite_sessions)
        caller = authenticate(sqlite_sessions, key)
        assert (caller.name, caller.role, caller.key_id) == ("holder", Role.MEMBER, key_id)

    @pytest.mark.parametrize("fault", ["none", "malformed", "secret", "id", "expired", "revoked"])
    def test_a_key_that_is_not_live_names_nobody(self, sqlite_sessions: Sessions, fault: str) -> None:
        key_id, key = self.made(sqlite_sessions)
        if fault == "expired":
            with sqlite_sessions.write() as session:
                session.get_one(ApiKey, key_id).expires_at = datetime.now(UTC) - timedelta(seconds=1)
        if fault == "revoked":
            revoke_key(sqlite_sessions, ADMIN, key_id)
        presented = {
            "none": None,
            "malformed": key.replace("lirf_", "lirf-"),
            "secret": key[:-1] + ("0" if key[-1] != "0" else "1"),
            "id": key.replace(key_id, "0" * len(key_id)),
        }.get(fault, key)
        with pytest.raises(Unauthenticated):
            authenticate(sqlite_sessions, presented)

    def test_the_first_key_is_made_once(self, sqlite_sessions: Sessions) -> None:
        text = KeyText.generate()
        assert make_first_key(sqlite_sessions, text) == str(text)
        assert make_first_key(sqlite_sessions) is None
        assert authenticate(sqlite_sessions, str(text)).role is Role.ADMIN

    def test_a_principal_keeps_its_role(self, sqlite_sessions: Sessions) -> None:
        self.made(sqlite_sessions)
        with pytest.raises(Conflict, match="already member"), sqlite_sessions.write() as session:
            create_key(session, ADMIN, principal="holder", role=Role.ADMIN, expires_at=None)


class TestIdempotency:
    def create(self, name: str) -> Callable[[Session], dict[str, str]]:
        def add(session: Session) -> dict[str, str]:
            row = Principal(name=name, role=Role.MEMBER)
            session.add(row)
            session.flush()
            return {"id": row.id}

        return add

    def repeat(self, body: str, key: str | None = "key") -> Repeatable:
        return Repeatable("POST /principals", key, fingerprint(body))

    def test_a_repeat_gets_the_first_answer(self, sqlite_sessions: Sessions, owner: Caller) -> None:
        first = create_once(sqlite_sessions, owner, self.repeat("a"), self.create("a"))
        assert create_once(sqlite_sessions, owner, self.repeat("a"), self.create("b")) == first

    def test_another_body_is_refused(self, sqlite_sessions: Sessions, owner: Caller) -> None:
        create_once(sqlite_sessions, owner, self.repeat("a"), self.create("a"))
        with pytest.raises(Invalid, match="another body"):
            create_once(sqlite_sessions, owner, self.repeat("b"), self.create("b"))

    def test_a_refused_request_leaves_its_key_free(self, sqlite_sessions: Sessions, owner: Caller) -> None:
        def refuse(_: Session) -> None:
            raise Conflict("Not now.")

        with pytest.raises(Conflict):
            create_once(sqlite_sessions, owner, self.repeat("a"), refuse)
        assert create_once(sqlite_sessions, owner, self.repeat("b"), self.create("b"))["id"]

    def test_without_a_key_every_request_is_new(self, sqlite_sessions: Sessions, owner: Caller) -> None:
        made = [
            create_once(sqlite_sessions, owner, self.repeat("a", None), self.create(name)) for name in "ab"
        ]
        assert made[0] != made[1]

    def test_a_fingerprint_tells_bodies_and_files_apart(self) -> None:
        prints = [fingerprint({"a": 1}, None), fingerprint({"a": 2}, None), fingerprint({"a": 1}, b"")]
        assert len(set(prints)) == 3
        assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


class TestWithdrawals:
    def test_without_the_right_an_unknown_deposit_and_a_known_one_look_the_same(
        self, vault: Vault, sqlite_sessions: Sessions, sealed: str
    ) -> None:
        stranger = Caller("prn_none", "stranger", Role.MEMBER, "key")
        told = []
        for deposit in (sealed, "dep_none"):
            with pytest.raises(Forbidden) as refusal, sqlite_sessions.write() as session:
                create_withdrawal(session, vault.lock, stranger, order(deposit))
            told.append(refusal.value.detail.replace(deposit, ""))
        assert told[0] == told[1]

    def test_a_grant_gives_no_right_to_withdraw_for_others(
        self, vault: Vault, sqlite_sessions: Sessions, owner: Caller, sealed: str
    ) -> None:
        with sqlite_sessions.write() as session:
            session.add(Principal(id="prn_m", name="m", role=Role.MEMBER))
            session.flush()
            session.add(Grant(principal_id="prn_m", deposit_id=sealed, granted_by=owner.principal_id))
        member = Caller("prn_m", "m", Role.MEMBER, "key")
        for scope in ("everyone", "owner"):
            with pytest.raises(Forbidden), sqlite_sessions.write() as session:
                create_withdrawal(session, vault.lock, member, order(sealed, scope=scope))
        with sqlite_sessions.write() as session:
            assert create_withdrawal(session, vault.lock, member, order(sealed)).scope == "m"

    def test_a_withdrawal_cannot_end_before_it_begins(
        self, vault: Vault, sqlite_sessions: Sessions, owner: Caller, sealed: str
    ) -> None:
        past = datetime.now(UTC) - timedelta(seconds=1)
        with pytest.raises(Invalid) as refusal, sqlite_sessions.write() as session:
            create_withdrawal(session, vault.lock, owner, order(sealed, expires_at=past))
        assert refusal.value.field == "expires_at"

    def test_what_is_not_sealed_yet_cannot_be_withdrawn(
        self, vault: Vault, sqlite_sessions: Sessions, owner: Caller, ask_deposit: AskDeposit
    ) -> None:
        queued = ask_deposit("3").deposits[0]
        with pytest.raises(Conflict, match="queued"), sqlite_sessions.write() as session:
            create_withdrawal(session, vault.lock, owner, order(queued))

    def test_an_unknown_principal_is_named(
        self, vault: Vault, sqlite_sessions: Sessions, owner: Caller, sealed: str
    ) -> None:
        with pytest.raises(NotFound, match="nobody"), sqlite_sessions.write() as session:
            create_withdrawal(session, vault.lock, owner, order(sealed, scope="nobody"))


class TestErasing:
    def test_an_erased_deposit_keeps_no_bytes_and_is_gone(
        self, vault: Vault, sqlite_sessions: Sessions, owner: Caller, sealed: str
    ) -> None:
        assert erase_deposit(vault, owner, sealed, NOW).state == "erased"
        with sqlite_sessions.read() as session:
            row = deposits.get(session, sealed)
            assert row is not None
            assert [module.digest for module in row.modules] == [None]
        with pytest.raises(Gone):
            erase_deposit(vault, owner, sealed, NOW)
        with pytest.raises(Gone), sqlite_sessions.write() as session:
            create_withdrawal(session, vault.lock, owner, order(sealed))

    def test_what_is_not_sealed_is_cancelled_and_not_erased(
        self, vault: Vault, owner: Caller, ask_deposit: AskDeposit
    ) -> None:
        with pytest.raises(Conflict) as refusal:
            erase_deposit(vault, owner, ask_deposit("3").deposits[0], NOW)
        assert "DELETE /jobs/job_" in refusal.value.remedy
