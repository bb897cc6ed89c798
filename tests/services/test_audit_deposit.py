"""An audit asks the net that everybody is answered by, and what it finds is kept, entered and certified."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from app.config import Settings
from app.db.repositories import ledger
from app.domain.errors import Conflict, NotFound
from app.domain.ledger import Decision
from app.domain.rights import Caller, Role
from app.lirf.data.selection import Selection
from app.lirf.data.source import open_source
from app.lirf.errors import InvalidInputError
from app.services.certify_deposit import certify_deposit
from app.services.follow_jobs import show_job
from app.services.register_dataset import prepare_builtin, register_dataset
from app.services.request_audit import accept_audit, plan_audit
from app.services.request_deposit import DepositOrder, accept_deposit, plan_deposit
from app.services.roll_back_model import roll_back
from app.services.run_job import run_job
from app.services.show_deposits import show_deposit
from app.services.views import AcceptedView
from app.vault.opening import signing_key
from app.vault.vault import Vault

Ask = Callable[..., AcceptedView]


@pytest.fixture
def held_out(vault: Vault, owner: Caller, settings: Settings) -> str:
    prepared = prepare_builtin(vault.sessions, owner, "digits", "train", settings.data_dir)
    with vault.sessions.write() as session:
        return register_dataset(session, owner, "held-out", prepared).name


@pytest.fixture
def ask_audit(vault: Vault, owner: Caller) -> Ask:
    def ask(deposit: str, dataset: str, seed: int = 0) -> AcceptedView:
        planned = plan_audit(vault.sessions, owner, deposit, dataset, seed)
        with vault.sessions.write() as session:
            return accept_audit(session, owner, planned)

    return ask


def test_what_an_audit_found_stands_in_deposit_ledger_and_certificate(
    vault: Vault, settings: Settings, owner: Caller, sealed: str, held_out: str, ask_audit: Ask
) -> None:
    accepted = ask_audit(sealed, held_out, seed=7)
    run_job(vault, settings, accepted.job)
    job = show_job(vault.sessions, owner, accepted.job)
    assert (job.state, job.kind, job.deposits) == ("SUCCEEDED", "audit", [sealed])
    (found,) = show_deposit(vault.sessions, owner, sealed).audits
    assert (found["version"], found["dataset"], found["seed"]) == (2, "held-out", 7)
    assert found["output"]["deposited"] == 0.0
    assert 0 <= found["probe"]["deposited"] <= 100
    assert found["images"]["deposited"] > 50
    with vault.sessions.read() as session:
        entry = ledger.of_subject(session, sealed)[-1]
    assert entry.decision == Decision.DEPOSIT_AUDITED
    assert entry.facts["asked_by"] == owner.principal_id
    certificate = certify_deposit(vault.sessions, signing_key(settings), owner, sealed)
    stated = json.loads(base64.b64decode(certificate.envelope["payload"]))
    assert stated["predicate"]["audits"] == [found]


def test_a_second_audit_is_added_to_the_first(
    vault: Vault, settings: Settings, owner: Caller, sealed: str, held_out: str, ask_audit: Ask
) -> None:
    for seed in (0, 1):
        run_job(vault, settings, ask_audit(sealed, held_out, seed).job)
    assert [found["seed"] for found in show_deposit(vault.sessions, owner, sealed).audits] == [0, 1]


def test_the_data_set_of_the_deposit_itself_no_longer_has_the_images(
    sealed: str, data: str, ask_audit: Ask
) -> None:
    with pytest.raises(InvalidInputError, match="Class '3' has 0 images") as refusal:
        ask_audit(sealed, data)
    assert refusal.value.field == "dataset"


def test_a_model_that_was_rolled_back_is_not_audited(
    vault: Vault, owner: Caller, model: str, sealed: str, held_out: str, ask_audit: Ask
) -> None:
    roll_back(vault.sessions, owner, model, 1)
    with pytest.raises(Conflict, match="served by version 1, which still knows"):
        ask_audit(sealed, held_out)


def test_an_open_deposit_is_not_audited(held_out: str, ask_deposit: Ask, ask_audit: Ask) -> None:
    accepted = ask_deposit("3")
    with pytest.raises(Conflict, match="is queued, not sealed") as refusal:
        ask_audit(accepted.deposits[0], held_out)
    assert accepted.job in refusal.value.remedy


def test_a_set_that_shares_its_classes_is_not_audited(
    vault: Vault, settings: Settings, owner: Caller, model: str, data: str, held_out: str, ask_audit: Ask
) -> None:
    ids = open_source("digits", "test").ids[:30]
    order = DepositOrder(
        model, data, (Selection(ids=ids),), "lirf+", {"epochs": 1, "min_steps": 1}, None, keep_original=False
    )
    planned = plan_deposit(vault, owner, order)
    with vault.sessions.write() as session:
        accepted = accept_deposit(session, owner, planned)
    run_job(vault, settings, accepted.job)
    with pytest.raises(Conflict, match="share their classes with images that the model keeps"):
        ask_audit(accepted.deposits[0], held_out)


def test_strangers_find_neither_deposit_nor_data_set(
    vault: Vault, owner: Caller, sealed: str, held_out: str
) -> None:
    stranger = replace(owner, principal_id="prn_other", role=Role.OWNER)
    with pytest.raises(NotFound, match="There is no deposit"):
        plan_audit(vault.sessions, stranger, sealed, held_out, 0)
    with pytest.raises(NotFound, match="There is no data set 'nothing'"):
        plan_audit(vault.sessions, owner, sealed, "nothing", 0)


def test_a_model_is_not_rolled_back_under_an_audit(
    vault: Vault, owner: Caller, model: str, sealed: str, held_out: str, ask_audit: Ask
) -> None:
    ask_audit(sealed, held_out)
    with pytest.raises(Conflict, match="is open"):
        roll_back(vault.sessions, owner, model, 1)
