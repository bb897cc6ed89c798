"""The tables. Ids are opaque strings; weights, pixels and modules live in content-addressed artifacts."""

import secrets
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from app.db.clock import Instant
from app.domain.lifecycle import DepositState, JobKind, JobState
from app.domain.rights import Role

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def new_id(kind: str) -> str:
    """An id such as ``dep_1f0c…``: opaque, unguessable, and telling its kind."""
    return f"{kind}_{secrets.token_hex(10)}"


def utc_now() -> datetime:
    return datetime.now(UTC)


def one_of(column: str, values: type[JobState | DepositState | Role | JobKind]) -> CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=f"{column}_known")


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy declares it a plain dict
        datetime: Instant,
        dict[str, Any]: JSON,
        list[Any]: JSON,
        str: String(255),
    }


class Artifact(Base):
    """Bytes named by their SHA-256, sealed ones by chance; ``size`` is that of the plain bytes.

    ``complete`` turns true with the last chunk; unreferenced ones are reaped.
    """

    __tablename__ = "artifacts"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    complete: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ArtifactChunk(Base):
    __tablename__ = "artifact_chunks"

    digest: Mapped[str] = mapped_column(ForeignKey("artifacts.digest", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class Principal(Base):
    __tablename__ = "principals"
    __table_args__ = (one_of("role", Role),)

    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("prn"))
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ApiKey(Base):
    """A key is ``lirf_<id>_<secret>``; only the SHA-256 of the secret is kept."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    principal_id: Mapped[str] = mapped_column(ForeignKey("principals.id"), index=True)
    secret_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    principal: Mapped[Principal] = relationship(lazy="joined", innerjoin=True)


class Dataset(Base):
    """Pixels (uint8, row after row) and an index (Parquet: id, label, row hash, metadata) as two artifacts.

    ``removed`` images have left with a deposit: their rows are there, their pixels are zero.
    """

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("dst"))
    name: Mapped[str] = mapped_column(unique=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("principals.id"), index=True)
    source: Mapped[str]
    rows: Mapped[int]
    image_shape: Mapped[list[Any]]
    classes: Mapped[list[Any]]
    columns: Mapped[list[Any]]
    removed: Mapped[int] = mapped_column(default=0, server_default="0")
    pixels_digest: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    index_digest: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Model(Base):
    """A registered classifier. ``current`` is the number of the version that is served; none while T0 trains."""

    __tablename__ = "models"

    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("mdl"))
    name: Mapped[str] = mapped_column(unique=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("principals.id"), index=True)
    architecture: Mapped[str]
    classes: Mapped[list[Any]]
    input_spec: Mapped[dict[str, Any]]
    split: Mapped[int]
    current: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    versions: Mapped[list["ModelVersion"]] = relationship(
        back_populates="model", order_by="ModelVersion.number"
    )


class ModelVersion(Base):
    """Version 1 is T0; each deposit adds a target net.

    A net is three artifacts: the shallow part, which every deposit changes; the deep part without the classifier,
    which is one artifact for all versions; and the head, which loses the rows that are sealed with a deposit.
    ``shallow_digest`` and ``head_digest`` are null once the version has been destroyed, and sealed under the data key
    ``key_id`` where an owner kept an original.
    """

    __tablename__ = "model_versions"
    __table_args__ = (UniqueConstraint("model_id", "number"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("ver"))
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"), index=True)
    number: Mapped[int]
    base: Mapped[int | None]
    shallow_digest: Mapped[str | None] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    deep_digest: Mapped[str] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    head_digest: Mapped[str | None] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    key_id: Mapped[str | None]
    sealed_classes: Mapped[list[Any]] = mapped_column(default=list)
    metrics: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    model: Mapped[Model] = relationship(back_populates="versions")


class Job(Base):
    """The queue. ``seq`` orders jobs of one model; ``fence`` rises with every claim and guards the commit."""

    __tablename__ = "jobs"
    __table_args__ = (
        one_of("state", JobState),
        one_of("kind", JobKind),
        Index("ix_jobs_state_model", "state", "model_id"),
    )

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(unique=True, default=lambda: new_id("job"))
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(default=JobState.QUEUED)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    owner_id: Mapped[str] = mapped_column(ForeignKey("principals.id"))
    payload: Mapped[dict[str, Any]]
    fence: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    rung_at: Mapped[datetime] = mapped_column(default=utc_now)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    progress: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Deposit(Base):
    """One deposit set taken out of one model. Sets that were deposited at once share ``job_id`` and retain set.

    A retain set is kept as its selector in the deposit's data set, never as images. The images of the deposit set leave
    the data set when the deposit is sealed, or as soon as no open deposit needs them (``images_removed_at``); where an
    owner keeps the original, a Parquet file of them is sealed under the data key ``images_key_id``.
    """

    __tablename__ = "deposits"
    __table_args__ = (one_of("state", DepositState),)

    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("dep"))
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"), index=True)
    owner_id: Mapped[str] = mapped_column(ForeignKey("principals.id"), index=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), index=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    selector: Mapped[dict[str, Any]]
    set_digest: Mapped[str] = mapped_column(String(64), index=True)
    salt: Mapped[str] = mapped_column(String(64), default=lambda: secrets.token_hex(32))
    set_size: Mapped[int]
    classes: Mapped[list[Any] | None]
    state: Mapped[str] = mapped_column(default=DepositState.QUEUED)
    config: Mapped[dict[str, Any]]
    evaluate_on_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id"))
    retain_selector: Mapped[dict[str, Any] | None]
    retain_size: Mapped[int | None]
    base_version: Mapped[int | None]
    target_version: Mapped[int | None]
    metrics: Mapped[dict[str, Any] | None]
    curves: Mapped[list[Any] | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    sealed_at: Mapped[datetime | None]
    erase_at: Mapped[datetime | None]
    audits: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    images_removed_at: Mapped[datetime | None]
    images_digest: Mapped[str | None] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    images_key_id: Mapped[str | None]

    job: Mapped[Job] = relationship(lazy="joined", innerjoin=True)
    model: Mapped[Model] = relationship(lazy="joined", innerjoin=True)
    modules: Mapped[list["DepositModuleVersion"]] = relationship(
        back_populates="deposit", order_by="DepositModuleVersion.version"
    )


class DepositModuleVersion(Base):
    """T_r as an artifact sealed under the data key ``key_id``; ``digest`` is null once the deposit is erased."""

    __tablename__ = "deposit_modules"
    __table_args__ = (UniqueConstraint("deposit_id", "version"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("mod"))
    deposit_id: Mapped[str] = mapped_column(ForeignKey("deposits.id"), index=True)
    version: Mapped[int]
    digest: Mapped[str | None] = mapped_column(ForeignKey("artifacts.digest"), index=True)
    key_id: Mapped[str | None]
    size: Mapped[int] = mapped_column(BigInteger)
    description: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)

    deposit: Mapped[Deposit] = relationship(back_populates="modules")


class Grant(Base):
    """The right of a principal to withdraw one deposit, or every deposit of one model."""

    __tablename__ = "grants"
    __table_args__ = (CheckConstraint("(deposit_id IS NULL) <> (model_id IS NULL)", name="one_object"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("grt"))
    principal_id: Mapped[str] = mapped_column(ForeignKey("principals.id"), index=True)
    deposit_id: Mapped[str | None] = mapped_column(ForeignKey("deposits.id"), index=True)
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"), index=True)
    granted_by: Mapped[str] = mapped_column(ForeignKey("principals.id"))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]

    principal: Mapped[Principal] = relationship(lazy="joined", innerjoin=True, foreign_keys=[principal_id])


class Withdrawal(Base):
    """A right exercised: while active, ``principal_id`` (null: everyone) is answered by the recover net."""

    __tablename__ = "withdrawals"

    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: new_id("wdr"))
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"), index=True)
    principal_id: Mapped[str | None] = mapped_column(ForeignKey("principals.id"), index=True)
    created_by: Mapped[str] = mapped_column(ForeignKey("principals.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    deposits: Mapped[list[Deposit]] = relationship(secondary="withdrawal_deposits", order_by=Deposit.id)


class WithdrawalDeposit(Base):
    __tablename__ = "withdrawal_deposits"

    withdrawal_id: Mapped[str] = mapped_column(
        ForeignKey("withdrawals.id", ondelete="CASCADE"), primary_key=True
    )
    deposit_id: Mapped[str] = mapped_column(ForeignKey("deposits.id"), primary_key=True, index=True)


class IdempotencyRecord(Base):
    """The first answer to a POST that carried an ``Idempotency-Key``."""

    __tablename__ = "idempotency_records"

    principal_id: Mapped[str] = mapped_column(ForeignKey("principals.id"), primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class LedgerEntry(Base):
    """One decision in the hash chain of `app.domain.ledger`; the database refuses to change or delete it."""

    __tablename__ = "ledger"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str]
    key_id: Mapped[str | None]
    decision: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(index=True)
    owner: Mapped[str | None] = mapped_column(index=True)
    reason: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None]
    facts: Mapped[dict[str, Any]]
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class LedgerHead(Base):
    """One row, the newest entry's number and hash: appends take turns at it, and a shortened ledger shows."""

    __tablename__ = "ledger_head"

    id: Mapped[int] = mapped_column(primary_key=True, default=1)
    seq: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))
