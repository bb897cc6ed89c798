"""Kept images for a deposit: found and counted, and never among what is or was deposited."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from app.config import Settings
from app.db.repositories import deposits
from app.db.session import Sessions
from app.domain.errors import Conflict, Invalid
from app.domain.rights import Caller
from app.lirf.data.selection import Selection
from app.lirf.data.source import open_source
from app.lirf.errors import InvalidInputError
from app.services.erase_deposit import erase_deposit
from app.services.request_deposit import DepositOrder, accept_deposit, plan_deposit
from app.services.run_job import run_job
from app.services.show_deposits import show_deposit
from app.services.views import AcceptedView, RetainView
from app.vault.vault import Vault

NOW = timedelta(0)

DIGITS = open_source("digits", "test")


def of_digit(digit: str, count: int | None = None) -> tuple[str, ...]:
    """Ids of the first images of a digit."""
    label = DIGITS.classes.index(digit)
    ids = [name for name, one in zip(DIGITS.ids, DIGITS.labels.tolist(), strict=True) if one == label]
    return tuple(ids[:count])


def rows_of(*ids: str) -> Selection:
    return Selection(ids=ids)


@pytest.fixture
def order(model: str, data: str) -> DepositOrder:
    """The digit 3, and ten kept images of the digit 5."""
    return DepositOrder(
        model=model,
        dataset=data,
        selections=(Selection(classes=("3",)),),
        objective="lirf+",
        settings={"epochs": 1, "min_steps": 1},
        evaluate_on=None,
        keep_original=False,
        retain=rows_of(*of_digit("5", 10)),
    )


Ask = Callable[[DepositOrder], AcceptedView]


@pytest.fixture
def ask(vault: Vault, sqlite_sessions: Sessions, owner: Caller) -> Ask:
    def accept(order: DepositOrder) -> AcceptedView:
        planned = plan_deposit(vault, owner, order)
        with sqlite_sessions.write() as session:
            return accept_deposit(session, owner, planned)

    return accept


def assert_refused(
    sessions: Sessions, refusal: pytest.ExceptionInfo[Invalid | Conflict], *words: str
) -> None:
    assert refusal.value.field == "retain"
    assert refusal.value.remedy
    for word in words:
        assert word in refusal.value.detail
    with sessions.read() as session:
        assert all(row.retain_selector is None for row in deposits.page(session, None, None, 100, None))


def test_a_deposit_remembers_the_selection_of_its_retain_set_and_its_size(
    sqlite_sessions: Sessions, owner: Caller, ask: Ask, order: DepositOrder
) -> None:
    several = replace(order, selections=(Selection(classes=("3",)), Selection(classes=("8",))))
    for deposit in ask(several).deposits:
        shown = show_deposit(sqlite_sessions, owner, deposit)
        assert shown.retain == RetainView({"ids": list(of_digit("5", 10))}, 10)


def test_without_a_retain_set_a_deposit_has_none(
    sqlite_sessions: Sessions, owner: Caller, ask: Ask, order: DepositOrder
) -> None:
    assert show_deposit(sqlite_sessions, owner, ask(replace(order, retain=None)).deposits[0]).retain is None


def test_a_class_can_be_retained_by_its_name_as_long_as_it_is_no_larger(
    sqlite_sessions: Sessions, owner: Caller, ask: Ask, order: DepositOrder
) -> None:
    both = replace(order, selections=(Selection(classes=("3", "8")),), retain=Selection(classes=("5",)))
    shown = show_deposit(sqlite_sessions, owner, ask(both).deposits[0])
    assert shown.retain == RetainView({"classes": ["5"]}, len(of_digit("5")))


def test_more_images_than_are_forgotten_are_refused_with_the_number_that_may_be(
    sqlite_sessions: Sessions, ask: Ask, order: DepositOrder
) -> None:
    few = rows_of(*of_digit("3", 4))
    with pytest.raises(Invalid) as refusal:
        ask(replace(order, selections=(few,)))
    assert_refused(sqlite_sessions, refusal, "10 images are to be retained, but only 4 to be forgotten")
    assert "at most 4" in refusal.value.remedy
    assert ask(replace(order, selections=(few,), retain=rows_of(*of_digit("5", 4)))).job


def test_images_of_a_class_that_is_forgotten_whole_are_refused(
    sqlite_sessions: Sessions, ask: Ask, order: DepositOrder
) -> None:
    with pytest.raises(Invalid) as refusal:
        ask(replace(order, retain=rows_of(*of_digit("5", 2), *of_digit("3", 1))))
    assert_refused(sqlite_sessions, refusal, "Class '3' is to be forgotten whole")


def test_an_image_cannot_be_forgotten_and_retained_at_once(
    sqlite_sessions: Sessions, ask: Ask, order: DepositOrder
) -> None:
    mixed = rows_of(*of_digit("1", 3), *of_digit("2", 3))
    again = of_digit("2", 1)[0]
    with pytest.raises(Invalid) as refusal:
        ask(replace(order, selections=(mixed,), retain=rows_of(*of_digit("5", 2), again)))
    assert_refused(sqlite_sessions, refusal, "1 of the 3 images to retain", repr(again))
    other = of_digit("2", 4)[3]
    assert ask(replace(order, selections=(mixed,), retain=rows_of(other))).job


@pytest.mark.parametrize("afterwards", ["queued", "sealed", "erased"])
def test_images_of_a_class_that_was_deposited_before_are_refused(
    vault: Vault,
    sqlite_sessions: Sessions,
    settings: Settings,
    owner: Caller,
    ask: Ask,
    order: DepositOrder,
    afterwards: str,
) -> None:
    first = ask(replace(order, selections=(Selection(classes=("5",)),), retain=None))
    if afterwards != "queued":
        run_job(vault, settings, first.job)
    if afterwards == "erased":
        erase_deposit(vault, owner, first.deposits[0], NOW)
    with pytest.raises(Conflict) as refusal:
        ask(order)
    assert_refused(sqlite_sessions, refusal, "Class '5' was deposited before", first.deposits[0])


def test_an_image_of_an_earlier_mixed_set_is_refused_and_its_neighbours_are_not(
    sqlite_sessions: Sessions, ask: Ask, order: DepositOrder
) -> None:
    earlier = ask(replace(order, selections=(rows_of(*of_digit("5", 3), *of_digit("6", 3)),), retain=None))
    with pytest.raises(Conflict) as refusal:
        ask(order)
    assert_refused(sqlite_sessions, refusal, "was deposited before", earlier.deposits[0])
    assert ask(replace(order, retain=rows_of(*of_digit("5", 10)[3:]))).job


def test_a_mixed_set_that_is_accepted_between_plan_and_acceptance_is_not_overlooked(
    vault: Vault, sqlite_sessions: Sessions, owner: Caller, ask: Ask, order: DepositOrder
) -> None:
    planned = plan_deposit(vault, owner, order)
    ask(replace(order, selections=(rows_of(*of_digit("5", 3)),), retain=None))
    with pytest.raises(Conflict) as refusal, sqlite_sessions.write() as session:
        accept_deposit(session, owner, planned)
    assert_refused(sqlite_sessions, refusal, "accepted at the same moment")
    assert refusal.value.remedy == "Send the request again."


@pytest.mark.parametrize(
    ("retain", "field"),
    [
        (Selection(ids=("digit-none",)), "retain.ids"),
        (Selection(classes=("eleven",)), "retain.classes"),
        (Selection(where={"writer": ("7",)}), "retain.where"),
    ],
)
def test_a_selection_that_finds_nothing_is_named_as_the_retain_sets(
    ask: Ask, order: DepositOrder, retain: Selection, field: str
) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        ask(replace(order, retain=retain))
    assert refusal.value.field == field


def test_the_whole_data_set_cannot_be_retained(
    sqlite_sessions: Sessions, ask: Ask, order: DepositOrder
) -> None:
    with pytest.raises(Invalid) as refusal:
        ask(replace(order, retain=Selection(classes=DIGITS.classes)))
    assert_refused(sqlite_sessions, refusal, "Class '3' is to be forgotten whole")


@pytest.mark.parametrize("changes", [{"objective": "lirf"}, {"settings": {"surrogates": []}}])
def test_settings_that_would_not_use_a_retain_set_are_refused_before_any_job(
    ask: Ask, order: DepositOrder, changes: dict[str, object]
) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        ask(replace(order, **changes))
    assert refusal.value.field == "retain"
    assert "give no retain set" in refusal.value.remedy
