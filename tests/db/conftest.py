"""Rows without the work that normally leads to them."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

import pytest

from app.db.models import Artifact, Dataset, Deposit, Job, Model, Principal
from app.db.session import Sessions
from app.domain.lifecycle import DepositState, JobKind, JobState

MakeRow = Callable[..., str]

_numbers = count()


@pytest.fixture
def make_principal(sessions: Sessions) -> MakeRow:
    def make(role: str = "owner") -> str:
        with sessions.write() as session:
            row = Principal(name=f"principal-{next(_numbers)}", role=role)
            session.add(row)
            session.flush()
            return row.id

    return make


@pytest.fixture
def make_model(sessions: Sessions, make_principal: MakeRow) -> MakeRow:
    def make(owner: str | None = None) -> str:
        owner = owner or make_principal()
        with sessions.write() as session:
            row = Model(
                name=f"model-{next(_numbers)}",
                owner_id=owner,
                architecture="resnet20",
                classes=["a", "b"],
                input_spec={},
                split=7,
            )
            session.add(row)
            session.flush()
            return row.id

    return make


@pytest.fixture
def make_job(sessions: Sessions) -> MakeRow:
    """A queued job of a model, rung long ago."""

    def make(model: str, state: JobState = JobState.QUEUED) -> str:
        with sessions.write() as session:
            owner = session.get_one(Model, model).owner_id
            long_ago = datetime(2020, 1, 1, tzinfo=UTC)
            job = Job(kind=JobKind.DEPOSIT, model_id=model, owner_id=owner, payload={}, rung_at=long_ago)
            job.state, job.created_at = state, long_ago
            session.add(job)
            session.flush()
            return job.id

    return make


@pytest.fixture
def make_deposit(sessions: Sessions, make_job: MakeRow) -> MakeRow:
    """A deposit from a model by its owner, or by another principal."""

    def make(model: str, owner: str | None = None, state: DepositState = DepositState.SEALED) -> str:
        job = make_job(model, JobState.SUCCEEDED)
        number = next(_numbers)
        with sessions.write() as session:
            owner = owner or session.get_one(Model, model).owner_id
            artifact = Artifact(digest=f"{number:064d}", size=0, complete=True)
            session.add(artifact)
            session.flush()
            dataset = Dataset(
                name=f"data-{number}",
                owner_id=owner,
                source="made up",
                rows=0,
                image_shape=[],
                classes=[],
                columns=[],
                pixels_digest=artifact.digest,
                index_digest=artifact.digest,
            )
            session.add(dataset)
            session.flush()
            deposit = Deposit(
                model_id=model,
                owner_id=owner,
                job_id=job,
                dataset_id=dataset.id,
                selector={},
                set_digest="0" * 64,
                set_size=0,
                state=state,
                config={},
            )
            session.add(deposit)
            session.flush()
            return deposit.id

    return make
