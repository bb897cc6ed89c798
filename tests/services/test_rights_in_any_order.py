"""Grants, withdrawals, their ends and erasures in any order: nobody is answered by more than they may be (I3)."""

import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import update

from app.config import Settings
from app.db.migrate import upgrade
from app.db.models import (
    Artifact,
    Dataset,
    Deposit,
    DepositModuleVersion,
    Grant,
    Job,
    Model,
    ModelVersion,
    Principal,
    Withdrawal,
)
from app.db.session import open_sessions
from app.domain.errors import ServiceError
from app.domain.lifecycle import DepositState, JobKind, JobState
from app.domain.rights import Caller, Role
from app.services.erase_deposit import enable_deposit, erase_deposit, erase_due
from app.services.manage_grants import create_grant, revoke_grant
from app.services.predict import entitlement
from app.services.withdraw import WithdrawalOrder, create_withdrawal, end_withdrawal
from app.vault.opening import open_vault, prepare_vault

ROLES = {
    "admin": Role.ADMIN,
    "owner": Role.OWNER,
    "stranger": Role.OWNER,
    "ann": Role.MEMBER,
    "ben": Role.MEMBER,
}
DEPOSITS = ("dep_1", "dep_2")
PAST = datetime(2020, 1, 1, tzinfo=UTC)

names = st.sampled_from(sorted(ROLES))
some_deposit = st.sampled_from(DEPOSITS)


@dataclass
class Granted:
    """A grant as the model knows it; ``deposit`` is None for one on the whole model."""

    holder: str
    deposit: str | None
    live: bool = True


@dataclass
class Withdrawn:
    """A withdrawal as the model knows it; ``scope`` is None for everyone."""

    maker: str
    scope: str | None
    deposits: tuple[str, ...]
    live: bool = True


class RightsInAnyOrder(RuleBasedStateMachine):
    """The service's own use cases beside a model of them that fits on one page."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lirf-rights-"))
        configured = Settings(data_dir=self.folder)
        sessions = open_sessions(configured.database_url)
        upgrade(sessions)
        self.vault = open_vault(configured, sessions)
        prepare_vault(configured, self.vault)
        self.callers = {
            name: Caller(f"prn_{name}", name, role, f"key_{name}") for name, role in ROLES.items()
        }
        self.states = dict.fromkeys(DEPOSITS, "sealed")
        self.grants: dict[str, Granted] = {}
        self.withdrawals: dict[str, Withdrawn] = {}
        self._fill()

    def teardown(self) -> None:
        if hasattr(self, "vault"):
            self.vault.close()
            self.vault.sessions.close()
            shutil.rmtree(self.folder)

    @rule(by=names, to=names, deposit=st.none() | some_deposit)
    def grant(self, by: str, to: str, deposit: str | None) -> None:
        model = None if deposit else "mdl"
        view = self._try(
            lambda session: create_grant(
                session, self.callers[by], principal=to, deposit=deposit, model=model, expires_at=None
            )
        )
        assert (view is not None) == (by in {"admin", "owner"})
        if view is not None:
            self.grants[view.id] = Granted(to, deposit)

    @rule(by=names, which=st.integers(0, 99))
    def revoke(self, by: str, which: int) -> None:
        if self.grants:
            grant_id = sorted(self.grants)[which % len(self.grants)]
            try:
                revoke_grant(self.vault.sessions, self.callers[by], grant_id)
            except ServiceError:
                return
            self.grants[grant_id].live = False

    @rule(which=st.integers(0, 99))
    def a_grant_expires(self, which: int) -> None:
        if self.grants:
            grant_id = sorted(self.grants)[which % len(self.grants)]
            self._expire(Grant, grant_id)
            self.grants[grant_id].live = False

    @rule(
        by=names, scope=st.sampled_from(["caller", "everyone", *sorted(ROLES)]), chosen=st.sets(some_deposit)
    )
    def withdraw(self, by: str, scope: str, chosen: set[str]) -> None:
        order = WithdrawalOrder(tuple(sorted(chosen)), scope, "any order", None)
        view = self._try(lambda session: create_withdrawal(session, self.vault.lock, self.callers[by], order))
        if view is not None:
            assert all(self._may(by, deposit) and self.states[deposit] == "sealed" for deposit in chosen)
            someone = {"caller": by, "everyone": None}.get(scope, scope)
            assert someone == by or by in {"admin", "owner"}
            self.withdrawals[view.id] = Withdrawn(by, someone, order.deposits)

    @rule(by=names, which=st.integers(0, 99))
    def end(self, by: str, which: int) -> None:
        if self.withdrawals:
            withdrawal_id = sorted(self.withdrawals)[which % len(self.withdrawals)]
            try:
                end_withdrawal(self.vault.sessions, self.callers[by], withdrawal_id)
            except ServiceError:
                return
            self.withdrawals[withdrawal_id].live = False

    @rule(which=st.integers(0, 99))
    def a_withdrawal_expires(self, which: int) -> None:
        if self.withdrawals:
            withdrawal_id = sorted(self.withdrawals)[which % len(self.withdrawals)]
            self._expire(Withdrawal, withdrawal_id)
            self.withdrawals[withdrawal_id].live = False

    @rule(by=names, deposit=some_deposit, days=st.sampled_from([0, 7, 7]))
    def erase(self, by: str, deposit: str, days: int) -> None:
        try:
            view = erase_deposit(self.vault, self.callers[by], deposit, timedelta(days=days))
        except ServiceError:
            assert by not in {"admin", "owner"} or self.states[deposit] == "erased"
            return
        self.states[deposit] = view.state

    @rule(by=names, deposit=some_deposit)
    def enable(self, by: str, deposit: str) -> None:
        try:
            enable_deposit(self.vault.sessions, self.callers[by], deposit)
        except ServiceError:
            return
        self.states[deposit] = "sealed"

    @rule()
    def a_week_passes(self) -> None:
        with self.vault.sessions.write() as session:
            session.execute(update(Deposit).where(Deposit.erase_at.is_not(None)).values(erase_at=PAST))
        erase_due(self.vault)
        for deposit, state in self.states.items():
            if state == "disabled":
                self.states[deposit] = "erased"

    @invariant()
    def everybody_is_answered_by_what_they_may(self) -> None:
        if not hasattr(self, "vault"):
            return
        with self.vault.sessions.read() as session:
            for name, caller in self.callers.items():
                found = set(entitlement(session, caller, "mdl").deposits)
                assert found == {deposit for deposit in DEPOSITS if self._answered(name, deposit)}, name

    def _may(self, name: str, deposit: str) -> bool:
        granted = any(
            one.live and one.holder == name and one.deposit in {None, deposit} for one in self.grants.values()
        )
        return name in {"admin", "owner"} or granted

    def _answered(self, name: str, deposit: str) -> bool:
        return self.states[deposit] == "sealed" and any(
            one.live
            and deposit in one.deposits
            and one.scope in {None, name}
            and self._may(one.maker, deposit)
            for one in self.withdrawals.values()
        )

    def _try(self, create: Any) -> Any:
        try:
            with self.vault.sessions.write() as session:
                return create(session)
        except ServiceError:
            return None

    def _expire(self, kind: type[Grant] | type[Withdrawal], row_id: str) -> None:
        with self.vault.sessions.write() as session:
            session.execute(update(kind).where(kind.id == row_id).values(expires_at=PAST))

    def _fill(self) -> None:
        """A model of the owner's with two sealed deposits, without the training that leads to them."""
        key = self.vault.new_key()
        with self.vault.sessions.write() as session:
            session.add_all(
                Principal(id=one.principal_id, name=one.name, role=one.role) for one in self.callers.values()
            )
            session.add(Artifact(digest="a", size=0, complete=True))
            session.flush()
            owner = "prn_owner"
            session.add_all(
                [
                    Model(
                        id="mdl",
                        name="mdl",
                        owner_id=owner,
                        architecture="resnet20",
                        classes=["a", "b"],
                        input_spec={},
                        split=10,
                        current=2,
                    ),
                    Dataset(
                        id="dst",
                        name="dst",
                        owner_id=owner,
                        source="s",
                        rows=1,
                        image_shape=[1, 8, 8],
                        classes=["a"],
                        columns=[],
                        pixels_digest="a",
                        index_digest="a",
                    ),
                ]
            )
            session.flush()
            session.add_all(
                ModelVersion(
                    model_id="mdl",
                    number=number,
                    base=base,
                    shallow_digest=digest,
                    deep_digest="a",
                    head_digest=digest,
                )
                for number, base, digest in ((1, None, None), (2, 1, "a"))
            )
            session.add(
                Job(
                    id="job",
                    kind=JobKind.DEPOSIT,
                    state=JobState.SUCCEEDED,
                    model_id="mdl",
                    owner_id=owner,
                    payload={},
                )
            )
            session.flush()
            for number, deposit in enumerate(DEPOSITS):
                session.add(
                    Deposit(
                        id=deposit,
                        model_id="mdl",
                        owner_id=owner,
                        job_id="job",
                        dataset_id="dst",
                        selector={},
                        set_digest=str(number),
                        set_size=1,
                        classes=[number],
                        state=DepositState.SEALED,
                        config={},
                        base_version=1,
                        target_version=2,
                    )
                )
                session.flush()
                session.add(
                    DepositModuleVersion(
                        deposit_id=deposit, version=1, digest="a", key_id=key, size=0, description={}
                    )
                )


RightsInAnyOrder.TestCase.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestRightsInAnyOrder = RightsInAnyOrder.TestCase
