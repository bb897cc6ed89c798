"""The images of a deposit set leave their data set with the deposit, unless another open deposit needs them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import torch

from app.config import Settings
from app.db.models import Dataset
from app.db.repositories import datasets, ledger
from app.domain.errors import Conflict, Gone, NotFound
from app.domain.ledger import Decision
from app.domain.rights import Caller, Role
from app.lirf.checkpoint import write_safetensors
from app.lirf.data.parquet import read_parquet
from app.lirf.data.selection import Selection
from app.lirf.data.source import open_source
from app.lirf.errors import InvalidInputError
from app.lirf.networks import InputSpec, create, published_state
from app.lirf.train import seed_everything
from app.services.erase_deposit import erase_deposit
from app.services.follow_jobs import cancel_job
from app.services.keep_images import kept_images
from app.services.plans import open_dataset
from app.services.predict import dataset_images
from app.services.register_model import ModelOrder, prepare_model, register_model
from app.services.remove_images import apply_removal, plan_removal, remove_images_left
from app.services.request_deposit import DepositOrder, accept_deposit, plan_deposit
from app.services.run_job import run_job
from app.services.show_deposits import show_deposit
from app.services.views import AcceptedView
from app.vault.datasets import DatasetIndex
from app.vault.vault import Vault

DIGITS = open_source("digits", "test")
THREES = [row for row, label in enumerate(DIGITS.labels.tolist()) if label == 3]
OTHERS = [row for row in range(len(DIGITS)) if row not in THREES]
NOW = timedelta(0)
SPEC = InputSpec(1, 8, 8, (0.5,), (0.5,))

Ask = Callable[[DepositOrder], AcceptedView]


@pytest.fixture
def order(model: str, data: str) -> DepositOrder:
    return DepositOrder(
        model=model,
        dataset=data,
        selections=(Selection(classes=("3",)),),
        objective="lirf+",
        settings={"epochs": 1, "min_steps": 1},
        evaluate_on=None,
        keep_original=False,
    )


@pytest.fixture
def other_model(vault: Vault, owner: Caller, tiny: ModelOrder) -> str:
    seed_everything(1)
    weights = write_safetensors(published_state(create("resnet20", 10, 1)))
    prepared = prepare_model(vault.sessions, owner, replace(tiny, name="other"), weights)
    with vault.sessions.write() as session:
        return register_model(session, owner, prepared, None).name


@pytest.fixture
def ask(vault: Vault, owner: Caller) -> Ask:
    def accept(order: DepositOrder) -> AcceptedView:
        planned = plan_deposit(vault, owner, order)
        with vault.sessions.write() as session:
            return accept_deposit(session, owner, planned)

    return accept


@pytest.fixture
def seal(vault: Vault, settings: Settings, ask: Ask) -> Callable[[DepositOrder], str]:
    def run(order: DepositOrder) -> str:
        accepted = ask(order)
        run_job(vault, settings, accepted.job)
        return accepted.deposits[0]

    return run


def stored(vault: Vault) -> Dataset:
    with vault.sessions.read() as session:
        found = datasets.by_reference(session, "digits")
    assert found is not None
    return found


def pixels(vault: Vault, rows: list[int]) -> torch.Tensor:
    with vault.sessions.read() as session:
        return open_dataset(session, stored(vault)).images(rows)


def index_of(vault: Vault) -> DatasetIndex:
    with vault.sessions.read() as session:
        return open_dataset(session, stored(vault)).index


def removed_rows(vault: Vault) -> list[int]:
    rows: list[int] = index_of(vault).removed.nonzero().flatten().tolist()
    return rows


def where_images_are(vault: Vault, owner: Caller, deposit: str) -> str:
    return show_deposit(vault.sessions, owner, deposit).images


def test_the_images_of_a_sealed_set_are_zero_and_all_others_as_they_were(
    vault: Vault, owner: Caller, seal: Callable[[DepositOrder], str], order: DepositOrder
) -> None:
    deposit = seal(order)
    assert not pixels(vault, THREES).any()
    assert torch.equal(pixels(vault, OTHERS), DIGITS.images[OTHERS])
    assert removed_rows(vault) == THREES
    assert stored(vault).removed == len(THREES)
    assert where_images_are(vault, owner, deposit) == "removed"


def test_removed_rows_keep_id_and_label(
    vault: Vault, seal: Callable[[DepositOrder], str], order: DepositOrder
) -> None:
    before = index_of(vault)
    seal(order)
    after = index_of(vault)
    assert (after.ids, after.row_hashes) == (before.ids, before.row_hashes)
    assert torch.equal(after.labels, before.labels)


def test_the_removal_is_a_decision_in_the_ledger(
    vault: Vault, seal: Callable[[DepositOrder], str], order: DepositOrder
) -> None:
    deposit = seal(order)
    with vault.sessions.read() as session:
        (entry,) = [
            one for one in ledger.of_subject(session, deposit) if one.decision == Decision.IMAGES_REMOVED
        ]
    assert entry.facts == {"dataset": stored(vault).id, "images": len(THREES)}


def test_a_row_whose_image_left_is_no_longer_predicted_and_others_are(
    vault: Vault, owner: Caller, seal: Callable[[DepositOrder], str], order: DepositOrder
) -> None:
    seal(order)
    with pytest.raises(Gone, match=f"The image of row {THREES[0]} left the data set when it was deposited"):
        dataset_images(vault.sessions, owner, "digits", [OTHERS[0], THREES[0]], SPEC)
    (image,) = dataset_images(vault.sessions, owner, "digits", [OTHERS[0]], SPEC)
    assert np.array_equal(image, DIGITS.images[OTHERS[0]].numpy())


def test_another_model_cannot_deposit_images_that_left_and_is_told_what_to_do(
    ask: Ask, seal: Callable[[DepositOrder], str], order: DepositOrder, other_model: str
) -> None:
    seal(order)
    with pytest.raises(InvalidInputError, match="left the data set when they were deposited") as refusal:
        ask(replace(order, model=other_model))
    assert refusal.value.field == "select"
    assert "upload them again" in refusal.value.remedy
    mixed = Selection(ids=(DIGITS.ids[THREES[0]], DIGITS.ids[OTHERS[0]]))
    with pytest.raises(InvalidInputError, match="1 of the 2 images selected left") as refusal:
        ask(replace(order, model=other_model, selections=(mixed,)))
    assert refusal.value.field == "select.ids"


def test_the_same_model_is_told_that_it_has_forgotten_them_already(
    ask: Ask, seal: Callable[[DepositOrder], str], order: DepositOrder
) -> None:
    deposit = seal(order)
    with pytest.raises(Conflict, match=f"deposited before, as {deposit}"):
        ask(order)


def test_the_rest_of_a_class_is_still_a_class(
    vault: Vault,
    owner: Caller,
    ask: Ask,
    seal: Callable[[DepositOrder], str],
    order: DepositOrder,
    other_model: str,
) -> None:
    some = Selection(ids=tuple(DIGITS.ids[row] for row in THREES[:5]))
    seal(replace(order, selections=(some,)))
    accepted = ask(replace(order, model=other_model))
    shown = show_deposit(vault.sessions, owner, accepted.deposits[0])
    assert shown.classes == ["3"]
    assert shown.set_size == len(THREES) - 5


def test_images_that_two_models_are_to_forget_go_with_the_last_of_them(
    vault: Vault, settings: Settings, owner: Caller, ask: Ask, order: DepositOrder, other_model: str
) -> None:
    first, second = ask(order), ask(replace(order, model=other_model))
    run_job(vault, settings, first.job)
    assert removed_rows(vault) == []
    assert where_images_are(vault, owner, first.deposits[0]) == "present"
    run_job(vault, settings, second.job)
    assert removed_rows(vault) == THREES
    assert not pixels(vault, THREES).any()
    assert {where_images_are(vault, owner, one.deposits[0]) for one in (first, second)} == {"removed"}
    assert show_deposit(vault.sessions, owner, second.deposits[0]).state == "sealed"


def test_images_that_an_open_deposit_retains_stay_until_it_has_ended(
    vault: Vault, settings: Settings, owner: Caller, ask: Ask, order: DepositOrder, other_model: str
) -> None:
    kept = THREES[:4]
    retaining = replace(
        order,
        model=other_model,
        selections=(Selection(classes=("5",)),),
        retain=Selection(ids=tuple(DIGITS.ids[row] for row in kept)),
    )
    first, second = ask(order), ask(retaining)
    run_job(vault, settings, first.job)
    assert removed_rows(vault) == THREES[4:]
    assert torch.equal(pixels(vault, kept), DIGITS.images[kept])
    cancel_job(vault.sessions, owner, second.job)
    assert remove_images_left(vault.sessions, NOW) == 1
    assert removed_rows(vault) == THREES
    assert where_images_are(vault, owner, first.deposits[0]) == "removed"
    assert remove_images_left(vault.sessions, NOW) == 0


def test_a_deposit_that_fails_or_is_cancelled_leaves_the_images_where_they_are(
    vault: Vault, owner: Caller, ask: Ask, order: DepositOrder
) -> None:
    accepted = ask(order)
    cancel_job(vault.sessions, owner, accepted.job)
    assert remove_images_left(vault.sessions, NOW) == 0
    assert torch.equal(pixels(vault, THREES), DIGITS.images[THREES])


def test_a_removal_whose_ground_has_changed_is_not_carried_out(
    vault: Vault,
    settings: Settings,
    ask: Ask,
    order: DepositOrder,
    other_model: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.services.run_deposit.plan_removal", lambda *_args, **_kw: None)
    run_job(vault, settings, ask(order).job)
    planned = plan_removal(vault.sessions, stored(vault).id)
    assert planned is not None
    ask(replace(order, model=other_model))
    with vault.sessions.write() as session:
        assert not apply_removal(session, planned)
    assert torch.equal(pixels(vault, THREES), DIGITS.images[THREES])


def test_what_was_planned_on_images_that_have_left_since_is_refused(
    vault: Vault, settings: Settings, owner: Caller, ask: Ask, order: DepositOrder, other_model: str
) -> None:
    accepted = ask(order)
    planned = plan_deposit(vault, owner, replace(order, model=other_model))
    run_job(vault, settings, accepted.job)
    with (
        pytest.raises(Conflict, match="Images left the data set at the same moment"),
        vault.sessions.write() as session,
    ):
        accept_deposit(session, owner, planned)


def test_kept_images_are_sealed_and_open_for_the_owner_until_the_deposit_is_erased(
    vault: Vault, owner: Caller, seal: Callable[[DepositOrder], str], order: DepositOrder
) -> None:
    deposit = seal(replace(order, keep_original=True))
    assert where_images_are(vault, owner, deposit) == "sealed"
    assert not pixels(vault, THREES).any()
    opened = read_parquet(kept_images(vault, owner, deposit))
    assert torch.equal(opened.images, DIGITS.images[THREES])
    assert opened.ids == tuple(DIGITS.ids[row] for row in THREES)
    assert [opened.classes[label] for label in opened.labels] == ["3"] * len(THREES)
    erase_deposit(vault, owner, deposit, timedelta(days=1))
    with pytest.raises(Gone, match="is disabled and about to be erased"):
        kept_images(vault, owner, deposit)
    erase_deposit(vault, owner, deposit, NOW)
    with pytest.raises(Gone, match="was erased for ever"):
        kept_images(vault, owner, deposit)
    assert where_images_are(vault, owner, deposit) == "removed"


def test_kept_images_are_refused_where_none_were_kept_and_to_strangers(
    vault: Vault, owner: Caller, seal: Callable[[DepositOrder], str], order: DepositOrder
) -> None:
    deposit = seal(order)
    with pytest.raises(Conflict, match=f"No images of {deposit} were kept") as refusal:
        kept_images(vault, owner, deposit)
    assert "keep_original" in refusal.value.remedy
    with pytest.raises(NotFound, match="There is no deposit"):
        kept_images(vault, Caller("prn_other", "other", Role.OWNER, "key"), deposit)
