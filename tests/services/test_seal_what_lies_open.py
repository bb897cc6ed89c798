"""Knowledge that an earlier release stored in the clear is sealed by the next start."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from app.config import Settings
from app.db.models import DepositModuleVersion, ModelVersion
from app.db.repositories import artifacts as artifact_rows
from app.db.repositories import deposits, models
from app.domain.errors import VaultSealed
from app.services.find import find_model
from app.services.plans import network_plan, stored_modules, stored_network
from app.services.run_job import run_job
from app.services.seal_what_lies_open import seal_what_lies_open
from app.services.views import AcceptedView
from app.vault import artifacts
from app.vault.networks import load_network
from app.vault.sealing import Label
from app.vault.vault import Seal, Vault


@pytest.fixture
def in_clear(vault: Vault, settings: Settings, ask_deposit: Callable[..., AcceptedView]) -> bytes:
    """A deposit as an earlier release stored it; the plain bytes of its module."""
    run_job(vault, settings, ask_deposit("3", keep_original=True).job)
    with vault.sessions.read() as session:
        module = session.scalars(select(DepositModuleVersion)).one()
        row = deposits.get(session, module.deposit_id)
        assert row is not None
        (stored,) = stored_modules([row])
        version = session.scalars(select(ModelVersion).where(ModelVersion.key_id.is_not(None))).one()
        seal = stored_network(find_model(session, version.model_id), version).seal
    assert seal is not None
    plain = bytes(vault.get(stored.digest, stored.seal))
    parts = {
        name: bytes(vault.get(digest, Seal(seal.key_id, _part(seal.label, name))))
        for name, digest in (("shallow", version.shallow_digest), ("head", version.head_digest))
        if digest is not None
    }
    digests = {
        name: artifacts.store(vault.sessions, data) for name, data in {"module": plain, **parts}.items()
    }
    with vault.sessions.write() as session:
        changed = session.get_one(DepositModuleVersion, module.id)
        changed.digest, changed.key_id = digests["module"], None
        original = session.get_one(ModelVersion, version.id)
        original.shallow_digest, original.head_digest = digests["shallow"], digests["head"]
        original.key_id = None
        session.flush()
        artifact_rows.delete_unreferenced(session)
    return plain


def _part(label: Label, name: str) -> Label:
    return Label(label.tenant, label.deposit, label.version, f"{label.kind}/{name}")


def test_a_start_seals_modules_and_kept_originals_once(vault: Vault, model: str, in_clear: bytes) -> None:
    database = Path(str(vault.sessions.engine.url.database))
    assert in_clear[-64:] in database.read_bytes() + database.with_name("lirf.db-wal").read_bytes()
    assert seal_what_lies_open(vault) == 2
    assert in_clear[-64:] not in database.read_bytes() + database.with_name("lirf.db-wal").read_bytes()
    with vault.sessions.read() as session:
        row = find_model(session, model)
        (stored,) = stored_modules(list(models.deposits_of(session, row.id)))
        version = models.version(session, row.id, 1)
    assert version is not None
    assert vault.get(stored.digest, stored.seal) == in_clear
    assert load_network(vault, network_plan(row), stored_network(row, version))
    assert seal_what_lies_open(vault) == 0


def test_without_a_key_nothing_is_sealed_and_nothing_in_the_clear_is_used(
    vault: Vault, model: str, in_clear: bytes
) -> None:
    assert in_clear
    vault.lock.seal("root", "audit")
    assert seal_what_lies_open(vault) == 0
    with vault.sessions.read() as session:
        row = find_model(session, model)
        with pytest.raises(VaultSealed, match="was never sealed"):
            stored_modules(list(models.deposits_of(session, row.id)))
