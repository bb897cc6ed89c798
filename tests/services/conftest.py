"""A bank without a service in front of it: tiny model, digits, and the caller who owns both."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.db.models import Principal
from app.db.session import Sessions
from app.domain.rights import Caller, Role
from app.lirf.checkpoint import write_safetensors
from app.lirf.data.selection import Selection
from app.lirf.networks import InputSpec, create, published_state
from app.lirf.train import seed_everything
from app.services.register_dataset import prepare_builtin, register_dataset
from app.services.register_model import ModelOrder, prepare_model, register_model
from app.services.request_deposit import DepositOrder, accept_deposit, plan_deposit
from app.services.run_job import run_job
from app.services.views import AcceptedView
from app.vault.vault import Vault


@pytest.fixture
def tiny() -> ModelOrder:
    classes = tuple(str(digit) for digit in range(10))
    return ModelOrder("tiny", "resnet20", classes, InputSpec(1, 8, 8, (0.5,), (0.5,)))


@pytest.fixture
def settings(tmp_path: Path, sqlite_sessions: Sessions) -> Settings:
    assert sqlite_sessions
    return Settings(data_dir=tmp_path, threads=1, heartbeat_seconds=0.001)


@pytest.fixture
def owner(sqlite_sessions: Sessions) -> Caller:
    with sqlite_sessions.write() as session:
        session.add(Principal(id="prn_owner", name="owner", role=Role.OWNER))
    return Caller("prn_owner", "owner", Role.OWNER, "key")


@pytest.fixture
def data(sqlite_sessions: Sessions, owner: Caller, tmp_path: Path) -> str:
    prepared = prepare_builtin(sqlite_sessions, owner, "digits", "test", tmp_path)
    with sqlite_sessions.write() as session:
        return register_dataset(session, owner, "digits", prepared).name


@pytest.fixture
def model(sqlite_sessions: Sessions, owner: Caller, tiny: ModelOrder) -> str:
    seed_everything(0)
    weights = write_safetensors(published_state(create("resnet20", 10, 1)))
    prepared = prepare_model(sqlite_sessions, owner, tiny, weights)
    with sqlite_sessions.write() as session:
        return register_model(session, owner, prepared, None).name


@pytest.fixture
def ask_deposit(
    vault: Vault, sqlite_sessions: Sessions, owner: Caller, data: str, model: str
) -> Callable[..., AcceptedView]:
    """Queue a deposit of some classes with as little training as there can be."""

    def ask(
        *classes: str,
        keep_original: bool = False,
        retain: Selection | None = None,
        evaluate: bool = True,
        **settings: Any,
    ) -> AcceptedView:
        order = DepositOrder(
            model=model,
            dataset=data,
            selections=(Selection(classes=classes),),
            objective="lirf+",
            settings={"epochs": 1, "min_steps": 1, **settings},
            evaluate_on=data if evaluate else None,
            keep_original=keep_original,
            retain=retain,
        )
        planned = plan_deposit(vault, owner, order)
        with sqlite_sessions.write() as session:
            return accept_deposit(session, owner, planned)

    return ask


@pytest.fixture
def sealed(vault: Vault, settings: Settings, ask_deposit: Callable[..., AcceptedView]) -> str:
    """A sealed deposit of the digit 3 whose original is kept."""
    accepted = ask_deposit("3", keep_original=True)
    run_job(vault, settings, accepted.job)
    return accepted.deposits[0]
