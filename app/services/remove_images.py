"""Take the images of sealed deposits out of their data set: the rows stay, with id and label, their pixels are zero.

An open deposit keeps the images that it was accepted with, to forget or to retain, until it has ended. So the same
images can be deposited from several models, if all of these deposits are asked for before the first is sealed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor

from app.db.models import Deposit, utc_now
from app.db.repositories import artifacts, deposits
from app.db.session import Session, Sessions
from app.domain.ledger import Decision
from app.lirf.data.selection import select
from app.services.find import dataset_of
from app.services.plans import open_dataset, stored_selection
from app.services.record_decision import record_decision
from app.vault.datasets import DatasetIndex, StoredDataset


@dataclass(frozen=True)
class Removal:
    """Images to be taken out of one data set, staged: only the rows that name the artifacts are to be changed.

    Attributes:
        dataset_id: the data set.
        before: its artifacts when this was planned.
        after: those that are to take their place.
        images: per deposit, how many of its images go now.
        finished: deposits whose images have all gone then.
        needed_by: the open deposits of the data set, whose images stay.
    """

    dataset_id: str
    before: StoredDataset
    after: StoredDataset
    images: dict[str, int]
    finished: frozenset[str]
    needed_by: frozenset[str]


def plan_removal(sessions: Sessions, dataset_id: str, sealing: Collection[str] = ()) -> Removal | None:
    """Stage the removal of every image that can go; None if none can.

    Args:
        sessions: the service's database.
        dataset_id: the data set.
        sealing: deposits that are about to be sealed, in the transaction that will call `apply_removal`.
    """
    with sessions.read() as session:
        dataset = dataset_of(session, dataset_id)
        data = open_dataset(session, dataset)
        needing = [row for row in deposits.open_on(session, dataset_id) if row.id not in sealing]
        sealed = [*deposits.with_images_in(session, dataset_id), *deposits.many(session, sealing)]
        leaving = _leaving(data.index, sealed, needing)
        if leaving is None:
            return None
        before = after = StoredDataset(dataset.pixels_digest, dataset.index_digest)
        if bool(leaving.rows.any()):
            after = data.without_images(sessions, leaving.rows.nonzero().flatten())
    needed_by = frozenset(row.id for row in needing)
    return Removal(dataset_id, before, after, leaving.images, leaving.finished, needed_by)


def apply_removal(session: Session, removal: Removal) -> bool:
    """Carry it out, if data set and open deposits are still those that it was planned for; whether they are."""
    dataset = dataset_of(session, removal.dataset_id)
    now = StoredDataset(dataset.pixels_digest, dataset.index_digest)
    open_now = {row.id for row in deposits.open_on(session, removal.dataset_id)}
    if now != removal.before or not open_now <= removal.needed_by:
        return False
    dataset.pixels_digest, dataset.index_digest = removal.after.pixels_digest, removal.after.index_digest
    dataset.removed += sum(removal.images.values())
    for row in deposits.many(session, list(removal.images)):
        if row.id in removal.finished:
            row.images_removed_at = utc_now()
        if removal.images[row.id]:
            facts = {"dataset": dataset.id, "images": removal.images[row.id]}
            record_decision(session, None, Decision.IMAGES_REMOVED, row.id, owner=row.owner_id, facts=facts)
    session.flush()
    artifacts.delete_unreferenced(session, {now.pixels_digest, now.index_digest})
    return True


def remove_images_left(sessions: Sessions, after: timedelta) -> int:
    """Remove what could not go with its deposit, once that was sealed ``after`` ago; from how many data sets."""
    with sessions.read() as session:
        left = deposits.datasets_with_images_left(session, utc_now() - after)
    changed = 0
    for dataset_id in left:
        removal = plan_removal(sessions, dataset_id)
        if removal is None:
            continue
        with sessions.write() as session:
            changed += apply_removal(session, removal)
    if changed:
        sessions.scrub()
    return changed


@dataclass(frozen=True)
class _Leaving:
    """Rows (bool [N]) whose images can go, how many of which deposit, and deposits of which none is left then."""

    rows: Tensor
    images: dict[str, int]
    finished: frozenset[str]


def _leaving(index: DatasetIndex, sealed: Sequence[Deposit], needing: Sequence[Deposit]) -> _Leaving | None:
    needed = _union(index, [selector for row in needing for selector in _selectors(row)])
    rows = torch.zeros(len(index), dtype=torch.bool)
    images: dict[str, int] = {}
    finished = set()
    for row in sealed:
        own = _mask(index, row.selector) & ~index.removed
        images[row.id] = int((own & ~needed & ~rows).sum())
        rows |= own & ~needed
        if not bool((own & needed).any()):
            finished.add(row.id)
    return _Leaving(rows, images, frozenset(finished)) if finished or bool(rows.any()) else None


def _selectors(row: Deposit) -> list[dict[str, object]]:
    return [row.selector, *([row.retain_selector] if row.retain_selector else [])]


def _union(index: DatasetIndex, selectors: list[dict[str, object]]) -> Tensor:
    mask = torch.zeros(len(index), dtype=torch.bool)
    for selector in selectors:
        mask |= _mask(index, selector)
    return mask


def _mask(index: DatasetIndex, selector: dict[str, object]) -> Tensor:
    mask = torch.zeros(len(index), dtype=torch.bool)
    mask[select(index, stored_selection(selector), whole=True).indices] = True
    return mask
