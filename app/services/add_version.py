"""Append a version to a model, inside the transaction that has the reason for it."""

from collections.abc import Sequence
from typing import Any

from app.db.models import Model, ModelVersion
from app.db.repositories import models
from app.db.session import Session
from app.vault.networks import StoredNetwork


def add_version(
    session: Session,
    model: Model,
    stored: StoredNetwork,
    *,
    base: int | None,
    sealed: Sequence[int],
    metrics: dict[str, Any] | None,
) -> int:
    """Append a version and return its number; ``current`` stays where it is."""
    number = models.next_number(session, model.id)
    session.add(
        ModelVersion(
            model_id=model.id,
            number=number,
            base=base,
            shallow_digest=stored.shallow,
            deep_digest=stored.deep,
            head_digest=stored.head,
            sealed_classes=list(sealed),
            metrics=metrics,
        )
    )
    session.flush()
    return number
