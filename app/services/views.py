"""What callers are shown: the shapes of answers, immutable."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


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
