"""Accept an audit of a deposit: what an attacker could still read of it from the net that everybody is answered by."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from app.db.models import Deposit, Job
from app.db.repositories import deposits, models
from app.db.session import Session, Sessions
from app.domain.errors import Conflict
from app.domain.lifecycle import DEPOSIT_FORGOTTEN, DepositState, JobKind
from app.domain.rights import Action, Caller
from app.lirf.audits.known import require_questions
from app.services.find import find_dataset, find_deposit, served_version
from app.services.plans import input_spec, open_dataset, require_image_shape, to_model_classes
from app.services.views import AcceptedView


@dataclass(frozen=True)
class PlannedAudit:
    """An audit whose data set has what it takes."""

    deposit_id: str
    model_id: str
    dataset_id: str
    seed: int


def plan_audit(sessions: Sessions, caller: Caller, deposit_id: str, dataset: str, seed: int) -> PlannedAudit:
    """Check that the deposit can be audited with the data set.

    Raises:
        NotFound: unknown deposit or data set, or not the caller's.
        Conflict: not sealed, or a set that shares its classes with kept images: of that its images would be needed,
            and they have left; or the served version knows the set.
        Invalid, InvalidInputError: a data set that does not fit the model, or without enough images.
    """
    with sessions.read() as session:
        row = find_deposit(session, caller, deposit_id, Action.AUDIT_DEPOSIT)
        classes = _audited_classes(session, row)
        found = find_dataset(session, caller, dataset)
        index = open_dataset(session, found).index
    require_image_shape(found.image_shape, input_spec(row.model.input_spec), "dataset")
    position = torch.tensor(to_model_classes(found, row.model, "dataset"))
    require_questions(position[index.labels[~index.removed]], classes, row.model.classes)
    return PlannedAudit(row.id, row.model_id, found.id, seed)


def accept_audit(session: Session, caller: Caller, planned: PlannedAudit) -> AcceptedView:
    job = Job(
        kind=JobKind.AUDIT,
        model_id=planned.model_id,
        owner_id=caller.principal_id,
        payload={"deposit": planned.deposit_id, "dataset": planned.dataset_id, "seed": planned.seed},
    )
    session.add(job)
    session.flush()
    return AcceptedView(job.id, [planned.deposit_id])


def require_forgotten(session: Session, deposit: Deposit) -> None:
    """Refuse while the model is served by a version that did not come from the deposit's target.

    Raises:
        Conflict: rolled back.
    """
    version = served_version(session, deposit.model)
    if deposit.target_version not in models.lineage(session, deposit.model_id, version.number):
        raise Conflict(
            f"{deposit.model.name!r} is served by version {version.number}, which still knows {deposit.id}.",
            f"Roll it back to version {deposit.target_version} first.",
            "deposit",
        )


def other_absent(session: Session, deposit: Deposit) -> tuple[int, ...]:
    """Classes that other deposits took out of the served version: they are neither deposited here nor kept."""
    version = served_version(session, deposit.model)
    line = models.lineage(session, deposit.model_id, version.number)
    rows = deposits.forgotten_by(session, deposit.model_id, line)
    return tuple(sorted({index for row in rows if row.id != deposit.id for index in row.classes or ()}))


def _audited_classes(session: Session, row: Deposit) -> Sequence[int]:
    if DepositState(row.state) not in DEPOSIT_FORGOTTEN:
        raise Conflict(
            f"Deposit {row.id} is {row.state}, not sealed.",
            f"Wait for job {row.job_id} to succeed.",
            "deposit",
        )
    if row.classes is None:
        raise Conflict(
            f"The images of {row.id} share their classes with images that the model keeps, and they have left.",
            "Audits ask about whole classes; a mixed set is measured once, with evaluate_on, when it is deposited.",
            "deposit",
        )
    require_forgotten(session, row)
    return tuple(row.classes)
