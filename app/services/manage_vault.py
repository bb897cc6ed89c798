"""Look at the vault, seal it, open it, and rotate the key that wraps its data keys: an admin's work."""

from pathlib import Path

from app.config import Settings
from app.db.repositories import data_keys
from app.domain.ledger import Decision
from app.domain.rights import Action, Caller
from app.services.find import require
from app.services.record_decision import record_decision
from app.services.views import RotationView, VaultView
from app.vault import rotation
from app.vault.lock import LockState
from app.vault.vault import Vault

VAULT = "vault"
"""What the ledger calls it; there is one."""


def show_vault(vault: Vault, caller: Caller) -> VaultView:
    require(caller, Action.MANAGE_VAULT)
    return _view(vault, vault.lock.state())


def seal_vault(vault: Vault, caller: Caller, reason: str) -> VaultView:
    """Take the keys out of every process: targets are served on, nothing sealed is opened or made."""
    require(caller, Action.MANAGE_VAULT)
    with vault.sessions.write() as session:
        record_decision(session, caller, Decision.VAULT_SEALED, VAULT, reason=reason)
    return _view(vault, vault.lock.seal(caller.name, reason))


def unseal_vault(vault: Vault, caller: Caller) -> VaultView:
    """Let every process fetch the keys again; the vault stays sealed, and says why, where they are not to be had."""
    require(caller, Action.MANAGE_VAULT)
    with vault.sessions.write() as session:
        record_decision(session, caller, Decision.VAULT_UNSEALED, VAULT)
    return _view(vault, vault.lock.unseal())


def rotate_vault(vault: Vault, settings: Settings, caller: Caller) -> RotationView:
    """Do one step of a rotation, and begin one if none is under way; repeat it until ``left`` is 0.

    Raises:
        VaultSealed: if a key is not to be had.
        Damaged: if a wrapped key does not unwrap.
    """
    require(caller, Action.MANAGE_VAULT)
    keyring = _keyring(settings)
    if not rotation.under_way(vault):
        with vault.sessions.write() as session:
            record_decision(session, caller, Decision.VAULT_ROTATED, VAULT)
        rotation.begin(vault, keyring)
    done = rotation.step(vault)
    if done.left == 0 and keyring is not None:
        rotation.finish(vault, keyring)
    return RotationView(done.key_id, done.wrapped, done.left)


def _keyring(settings: Settings) -> Path | None:
    """The keyring's file, where it is what keeps the keys."""
    return None if settings.vault_url or settings.vault_keys is not None else settings.keyring_file


def _view(vault: Vault, state: LockState) -> VaultView:
    with vault.key_store.read() as session:
        wraps = data_keys.count_by_kek(session)
    return VaultView(state.sealed, state.reason, state.since, state.by, state.kek_id, wraps)
