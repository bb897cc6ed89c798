"""Accept a deposit: check everything that can be known now, so that what is accepted has reason to succeed."""

from dataclasses import asdict, dataclass
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from app.db.models import Deposit, Job, Model
from app.db.repositories import datasets, deposits
from app.db.session import Session
from app.domain.errors import Conflict, Invalid
from app.domain.ledger import Decision
from app.domain.lifecycle import JobKind
from app.domain.rights import Action, Caller
from app.lirf.config import DepositConfig, Objective
from app.lirf.data.selection import Selection
from app.lirf.errors import InvalidInputError
from app.lirf.retain import require_use
from app.services.find import find_dataset, find_model, require, served_version
from app.services.plan_retain import PlannedRetain, plan_retain, require_apart
from app.services.plan_sets import PlannedSet, plan_sets, require_new
from app.services.plans import input_spec, open_dataset, require_image_shape, to_model_classes
from app.services.record_decision import record_decision
from app.services.views import AcceptedView
from app.vault.vault import Vault

NAMED_SETTINGS = ("epochs", "batch_size", "learning_rate", "prune_ratio", "seal_rows", "seed")
"""Fields of the learning core's DepositConfig that have a field of their own in a request."""


@dataclass(frozen=True)
class DepositOrder:
    """What a caller asks to be forgotten; several selections are deposited at once, each as its own module.

    ``retain`` selects kept images of the same data set, which training may use; without it, it sees none.
    """

    model: str
    dataset: str
    selections: tuple[Selection, ...]
    objective: Objective
    settings: dict[str, Any]
    evaluate_on: str | None
    keep_original: bool
    retain: Selection | None = None


@dataclass(frozen=True)
class PlannedDeposit:
    """An order whose input is sound; `accept_deposit` adds what only the write transaction can tell."""

    order: DepositOrder
    model_id: str
    dataset_id: str
    index_digest: str
    evaluate_on_id: str | None
    config: DepositConfig
    sets: tuple[PlannedSet, ...]
    retain: PlannedRetain | None


def plan_deposit(vault: Vault, caller: Caller, order: DepositOrder) -> PlannedDeposit:
    """Find the rows that an order means and check its settings.

    Raises:
        Forbidden: the model is not the caller's.
        NotFound: unknown model or data set.
        InvalidInputError: a selection or setting that cannot be used.
        Invalid: images or classes that the model does not know, or images both to forget and to retain.
        VaultSealed: nothing can be sealed now.
    """
    sessions = vault.sessions
    config = _config(order)
    if order.retain is not None:
        require_use(config)
    with sessions.read() as session:
        model = find_model(session, order.model)
        require(caller, Action.DEPOSIT, model.owner_id)
        vault.lock.require_open()
        dataset = find_dataset(session, caller, order.dataset)
        index = open_dataset(session, dataset).index
        test = (
            None
            if order.evaluate_on is None
            else find_dataset(session, caller, order.evaluate_on, "evaluate_on")
        )
    spec = input_spec(model.input_spec)
    require_image_shape(dataset.image_shape, spec, "dataset")
    if test is not None:
        require_image_shape(test.image_shape, spec, "evaluate_on")
        to_model_classes(test, model, "evaluate_on")
    to_model = to_model_classes(dataset, model, "dataset")
    sets = plan_sets(sessions, model, index, to_model, order.selections)
    retain = None
    if order.retain is not None:
        forgotten = [row for one in sets for row in one.indices]
        gone = [label for one in sets for label in one.classes or ()]
        retain = plan_retain(sessions, model, index, to_model, order.retain, forgotten, gone)
    return PlannedDeposit(
        order=order,
        model_id=model.id,
        dataset_id=dataset.id,
        index_digest=dataset.index_digest,
        evaluate_on_id=test.id if test else None,
        config=config,
        sets=sets,
        retain=retain,
    )


def accept_deposit(session: Session, caller: Caller, planned: PlannedDeposit) -> AcceptedView:
    """Queue the deposit, one row per set and one job for all of them.

    Raises:
        Conflict: the model has no network yet, or a set, a class or an image to retain was deposited before.
        Invalid: nothing would be preserved.
    """
    model = find_model(session, planned.model_id)
    served_version(session, model)
    require_new(session, model, planned.sets)
    _require_something_left(session, model, planned)
    _require_unchanged(session, planned)
    if planned.retain is not None:
        require_apart(session, model, planned.retain)
    job = Job(
        kind=JobKind.DEPOSIT,
        model_id=model.id,
        owner_id=caller.principal_id,
        payload={"keep_original": planned.order.keep_original},
    )
    session.add(job)
    session.flush()
    rows = [_deposit_row(caller, planned, one, job.id) for one in planned.sets]
    session.add_all(rows)
    session.flush()
    for row in rows:
        facts = {
            "model": model.id,
            "job": job.id,
            "images": row.set_size,
            "objective": planned.config.objective,
            "keep_original": planned.order.keep_original,
        }
        record_decision(session, caller, Decision.DEPOSIT_ORDERED, row.id, owner=row.owner_id, facts=facts)
    return AcceptedView(job.id, [row.id for row in rows])


def _config(order: DepositOrder) -> DepositConfig:
    """The objective's defaults with the order's changes; refusals name the field as the caller wrote it."""
    try:
        return DepositConfig.of(order.objective, **_typed(order.settings))
    except InvalidInputError as error:
        name = error.field.removeprefix("config.")
        field = name if name in NAMED_SETTINGS else f"settings.{name}"
        raise InvalidInputError(field, error.problem, error.remedy) from error


def _typed(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings from JSON as the types that DepositConfig declares; unknown names are left for it to refuse."""
    declared = get_type_hints(DepositConfig)
    typed = {}
    for name, value in settings.items():
        try:
            typed[name] = TypeAdapter(declared.get(name, Any)).validate_python(value)
        except ValidationError as error:
            raise Invalid(
                f"{value!r} is no value for {name}: {error.errors()[0]['msg']}.",
                "Compare the settings with docs/method.md.",
                f"settings.{name}",
            ) from error
    return typed


def _require_unchanged(session: Session, planned: PlannedDeposit) -> None:
    dataset = datasets.by_reference(session, planned.dataset_id)
    if dataset is None or dataset.index_digest != planned.index_digest:
        raise Conflict(
            "Images left the data set at the same moment, with another deposit.",
            "Send the request again.",
            "dataset",
        )


def _require_something_left(session: Session, model: Model, planned: PlannedDeposit) -> None:
    held = deposits.holding(session, model.id)
    taken = {index for deposit in held for index in deposit.classes or ()}
    gone = taken | {index for one in planned.sets for index in one.classes or ()}
    if len(gone) >= len(model.classes):
        raise Invalid(
            "No class would be left for the target net to know.",
            "Select fewer classes, or delete the model instead.",
            "select",
        )


def _deposit_row(caller: Caller, planned: PlannedDeposit, one: PlannedSet, job_id: str) -> Deposit:
    return Deposit(
        model_id=planned.model_id,
        owner_id=caller.principal_id,
        job_id=job_id,
        dataset_id=planned.dataset_id,
        selector=one.selector,
        set_digest=one.digest,
        set_size=len(one.indices),
        classes=None if one.classes is None else list(one.classes),
        config=asdict(planned.config),
        evaluate_on_id=planned.evaluate_on_id,
        retain_selector=planned.retain and planned.retain.selector,
        retain_size=planned.retain and planned.retain.size,
    )
