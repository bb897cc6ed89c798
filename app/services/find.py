"""Find a row that the caller may use, or refuse: a hidden row and a missing one look the same."""

from typing import TypeVar

from app.db.models import Dataset, Deposit, Job, Model, ModelVersion
from app.db.repositories import datasets, deposits, jobs, models
from app.db.session import Session
from app.domain.errors import Conflict, Forbidden, Gone, NotFound
from app.domain.lifecycle import DepositState
from app.domain.rights import Action, Caller, may

Row = TypeVar("Row")


def require(caller: Caller, action: Action, *owners: str | None) -> None:
    """Raise Forbidden unless the caller may do ``action`` to what ``owners`` own."""
    if not may(caller, action, owners):
        raise Forbidden(
            f"{caller.name} ({caller.role}) may not {action}.",
            "Ask its owner, or an admin, for the right.",
        )


def find_model(session: Session, reference: str, field: str = "model") -> Model:
    return _found(models.by_reference(session, reference), "model", reference, field)


def find_dataset(session: Session, caller: Caller, reference: str, field: str = "dataset") -> Dataset:
    row = datasets.by_reference(session, reference)
    if row is not None and not may(caller, Action.READ_DATASET, [row.owner_id]):
        row = None
    return _found(row, "data set", reference, field)


def dataset_of(session: Session, dataset_id: str) -> Dataset:
    """The data set that a row of ours names."""
    row = datasets.by_reference(session, dataset_id)
    if row is None:
        raise LookupError(f"data set {dataset_id} is gone")
    return row


def find_deposit(session: Session, caller: Caller, deposit_id: str, action: Action) -> Deposit:
    row = deposits.get(session, deposit_id)
    if row is not None and not may(caller, action, [row.owner_id, row.model.owner_id]):
        row = None
    return _found(row, "deposit", deposit_id, "deposit")


def require_left(deposit: Deposit, field: str = "deposit") -> None:
    """Refuse a deposit of which nothing is left, or soon will be.

    Raises:
        Gone: erased, or disabled.
    """
    if deposit.state == DepositState.ERASED:
        raise Gone(f"Deposit {deposit.id!r} was erased for ever.", "It cannot be restored.", field)
    if deposit.state == DepositState.DISABLED:
        raise Gone(
            f"Deposit {deposit.id!r} is disabled and about to be erased.",
            "Until then its owner can enable it again.",
            field,
        )


def find_job(session: Session, caller: Caller, job_id: str, action: Action) -> Job:
    row = jobs.get(session, job_id)
    if row is not None and not may(caller, action, [row.owner_id]):
        row = None
    return _found(row, "job", job_id, "job")


def served_version(session: Session, model: Model) -> ModelVersion:
    """The version that the model is served with.

    Raises:
        Conflict: while T0 is still being trained.
        Gone: if that version's weights were destroyed.
    """
    version = models.current_version(session, model)
    if version is None:
        raise Conflict(f"Model {model.name!r} has no network yet.", "Wait for its training job to succeed.")
    if version.shallow_digest is None:
        raise Gone(f"Version {version.number} of {model.name!r} was destroyed.", "Use a later version.")
    return version


def _found(row: Row | None, kind: str, reference: str, field: str) -> Row:
    if row is None:
        raise NotFound(
            f"There is no {kind} {reference!r}.", f"List what you may use, and name a {kind} of it.", field
        )
    return row
