"""Seal what an earlier release stored in the clear: deposit modules, and originals that were kept."""

import structlog

from app.db.models import DepositModuleVersion, ModelVersion
from app.db.repositories import artifacts as artifact_rows
from app.db.repositories import deposits, models
from app.services.find import find_model
from app.services.plans import module_label, original_label, stored_network
from app.vault import artifacts
from app.vault.networks import seal_network
from app.vault.vault import Seal, Vault

log = structlog.get_logger(__name__)


def seal_what_lies_open(vault: Vault) -> int:
    """Seal every module and every kept original that is not; how many. Without a key, none."""
    if vault.lock.state().sealed:
        log.warning("vault_sealed", reason=vault.lock.state().reason)
        return 0
    with vault.sessions.read() as session:
        modules, versions = list(deposits.modules_in_clear(session)), list(models.kept_in_clear(session))
    for module in modules:
        _seal_module(vault, module)
    for version in versions:
        _seal_version(vault, version)
    if modules or versions:
        vault.sessions.scrub()
    return len(modules) + len(versions)


def _seal_module(vault: Vault, module: DepositModuleVersion) -> None:
    if module.digest is None:
        return
    seal = Seal(vault.new_key(), module_label(module.deposit, module.version))
    name = vault.put(artifacts.load(vault.sessions, module.digest), seal)
    with vault.sessions.write() as session:
        row = session.get_one(DepositModuleVersion, module.id)
        row.digest, row.key_id = name, seal.key_id
        session.flush()
        artifact_rows.delete_unreferenced(session, {module.digest})


def _seal_version(vault: Vault, version: ModelVersion) -> None:
    with vault.sessions.read() as session:
        model = find_model(session, version.model_id)
    plain = stored_network(model, version)
    sealed = seal_network(vault, plain, Seal(vault.new_key(), original_label(model, version.number)))
    with vault.sessions.write() as session:
        row = session.get_one(ModelVersion, version.id)
        row.shallow_digest, row.head_digest = sealed.shallow, sealed.head
        row.key_id = None if sealed.seal is None else sealed.seal.key_id
        session.flush()
        artifact_rows.delete_unreferenced(session, {plain.shallow, plain.head})
