"""Views of rows, made inside the transaction that read them."""

from app.db import models as rows
from app.services.views import (
    DatasetView,
    DepositView,
    GrantView,
    JobView,
    KeyView,
    ModelView,
    ModuleView,
    RetainView,
    VersionView,
    WithdrawalView,
)


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
