"""What callers are shown: immutable answers, built from rows inside the transaction that read them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db import models as rows


@dataclass(frozen=True)
class KeyView:
    id: str
    principal: str
    role: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True)
class NewKeyView:
    """``key`` is shown this once and cannot be shown again; it is null in the repeat of an answer."""

    id: str
    key: str | None
    principal: str
    role: str
    expires_at: datetime | None


@dataclass(frozen=True)
class VaultView:
    """``reason`` tells why the vault is sealed; ``data_keys`` how many each key-encryption key wraps."""

    sealed: bool
    reason: str | None
    sealed_at: datetime | None
    sealed_by: str | None
    key_id: str | None
    data_keys: dict[str, int]


@dataclass(frozen=True)
class RotationView:
    """One step: data keys ``wrapped`` anew under ``key_id``, and how many are ``left``."""

    key_id: str
    wrapped: int
    left: int


@dataclass(frozen=True)
class CertificateView:
    """``envelope`` is a DSSE envelope of an in-toto Statement; ``salt`` opens its commitment to the deposit set."""

    envelope: dict[str, Any]
    public_key: str
    salt: str


@dataclass(frozen=True)
class LedgerHeadView:
    """``envelope`` is a DSSE envelope whose payload has ``seq``, ``hash`` and ``at``; ``public_key`` is PEM."""

    seq: int
    hash: str
    at: str
    envelope: dict[str, Any]
    public_key: str


@dataclass(frozen=True)
class DatasetView:
    """Of ``rows`` images, ``removed`` have left with deposits; their rows keep numbers, ids and labels."""

    id: str
    name: str
    source: str
    rows: int
    image_shape: list[int]
    classes: list[str]
    columns: list[str]
    removed: int
    created_at: datetime


@dataclass(frozen=True)
class VersionView:
    number: int
    base: int | None
    net: str
    available: bool
    sealed_classes: list[str]
    metrics: dict[str, Any] | None
    created_at: datetime


@dataclass(frozen=True)
class ModelView:
    id: str
    name: str
    architecture: str
    classes: list[str]
    input: dict[str, Any]
    split: int
    current: int | None
    versions: list[VersionView]
    created_at: datetime
    job: str | None = None


@dataclass(frozen=True)
class JobView:
    id: str
    kind: str
    state: str
    model: str
    deposits: list[str]
    progress: dict[str, Any] | None
    error: dict[str, Any] | None
    attempts: int
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class ModuleView:
    version: int
    bytes: int
    description: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class RetainView:
    """Kept images of the deposit's data set that its training used beside the deposit set."""

    select: dict[str, Any]
    samples: int


@dataclass(frozen=True)
class DepositView:
    """``retain`` is null where training saw the original net and the deposit set alone.

    ``images`` is ``present`` while the set's images lie in the data set, ``removed`` when they have left it, and
    ``sealed`` where the owner kept them with the original.

    ``erase_at`` is when a disabled deposit will be erased for ever.

    ``metrics`` is null until the deposit is sealed. It has ``modules`` (per deposit of the job the ``bytes`` of its
    module), ``retain`` (null, or the number of kept ``samples`` that were used) and, where the order named a test set,
    ``original``, ``target``, ``recover``, ``swap``, ``oracle``, ``n`` and ``dataset``.
    """

    id: str
    model: str
    job: str
    state: str
    images: str
    dataset: str
    select: dict[str, Any]
    set_size: int
    classes: list[str] | None
    retain: RetainView | None
    config: dict[str, Any]
    base_version: int | None
    target_version: int | None
    metrics: dict[str, Any] | None
    curves: list[Any] | None
    audits: list[Any]
    modules: list[ModuleView]
    error: dict[str, Any] | None
    created_at: datetime
    sealed_at: datetime | None
    erase_at: datetime | None


@dataclass(frozen=True)
class AcceptedView:
    """Long work was accepted: follow ``job``."""

    job: str
    deposits: list[str]


@dataclass(frozen=True)
class GrantView:
    id: str
    principal: str
    deposit: str | None
    model: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True)
class WithdrawalView:
    id: str
    model: str
    deposits: list[str]
    scope: str
    state: str
    reason: str
    created_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class ClassProbability:
    label: str
    index: int
    probability: float


@dataclass(frozen=True)
class PredictionView:
    """``net`` is the network that spoke: ``original``, ``target`` or ``recover``; ``deposits`` are in it."""

    model: str
    version: int
    net: str
    deposits: list[str]
    top: list[ClassProbability]


def key_view(row: rows.ApiKey) -> KeyView:
    who = row.principal
    return KeyView(row.id, who.name, who.role, row.created_at, row.expires_at, row.revoked_at)


def dataset_view(row: rows.Dataset) -> DatasetView:
    return DatasetView(
        id=row.id,
        name=row.name,
        source=row.source,
        rows=row.rows,
        image_shape=row.image_shape,
        classes=row.classes,
        columns=row.columns,
        removed=row.removed,
        created_at=row.created_at,
    )


def version_view(row: rows.ModelVersion, classes: list[str]) -> VersionView:
    return VersionView(
        number=row.number,
        base=row.base,
        net="original" if row.base is None else "target",
        available=row.shallow_digest is not None,
        sealed_classes=[classes[index] for index in row.sealed_classes],
        metrics=row.metrics,
        created_at=row.created_at,
    )


def model_view(row: rows.Model, job: str | None = None) -> ModelView:
    return ModelView(
        id=row.id,
        name=row.name,
        architecture=row.architecture,
        classes=row.classes,
        input=row.input_spec,
        split=row.split,
        current=row.current,
        versions=[version_view(version, row.classes) for version in row.versions],
        created_at=row.created_at,
        job=job,
    )


def job_view(row: rows.Job, model: str, deposits: list[str]) -> JobView:
    return JobView(
        id=row.id,
        kind=row.kind,
        state=row.state,
        model=model,
        deposits=deposits,
        progress=row.progress,
        error=row.error,
        attempts=row.attempts,
        cancel_requested=row.cancel_requested,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def deposit_view(row: rows.Deposit) -> DepositView:
    return DepositView(
        id=row.id,
        model=row.model.name,
        job=row.job_id,
        state=row.state,
        images=_where_images_are(row),
        dataset=row.dataset_id,
        select=row.selector,
        set_size=row.set_size,
        classes=None if row.classes is None else [row.model.classes[index] for index in row.classes],
        retain=_retain_view(row),
        config=row.config,
        base_version=row.base_version,
        target_version=row.target_version,
        metrics=row.metrics,
        curves=row.curves,
        audits=row.audits,
        modules=[ModuleView(m.version, m.size, m.description, m.created_at) for m in row.modules],
        error=row.job.error,
        created_at=row.created_at,
        sealed_at=row.sealed_at,
        erase_at=row.erase_at,
    )


def _where_images_are(row: rows.Deposit) -> str:
    if row.images_removed_at is None:
        return "present"
    return "removed" if row.images_digest is None else "sealed"


def _retain_view(row: rows.Deposit) -> RetainView | None:
    if row.retain_selector is None or row.retain_size is None:
        return None
    return RetainView(row.retain_selector, row.retain_size)


def grant_view(row: rows.Grant) -> GrantView:
    return GrantView(
        id=row.id,
        principal=row.principal.name,
        deposit=row.deposit_id,
        model=row.model_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def withdrawal_view(row: rows.Withdrawal, scope: str) -> WithdrawalView:
    lapsed = row.expires_at is not None and row.expires_at <= rows.utc_now()
    return WithdrawalView(
        id=row.id,
        model=row.deposits[0].model.name,
        deposits=[deposit.id for deposit in row.deposits],
        scope=scope,
        state="ended" if row.ended_at is not None or lapsed else "active",
        reason=row.reason,
        created_at=row.created_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
    )
