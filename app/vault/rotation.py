"""Rotation: every data key is wrapped anew, a few at a time, while the vault is read; sealed bytes stay as they are."""

from dataclasses import dataclass
from pathlib import Path

from app.db.repositories import data_keys
from app.domain.errors import Damaged, VaultSealed
from app.vault.keyring import read_keyring, write_keyring
from app.vault.sealing import KEY_BYTES
from app.vault.vault import RESTORE, Vault
from app.vault.wrapping import KeyUnavailableError, UnwrapError, WrappedKey

KEYS_AT_ONCE = 100


@dataclass(frozen=True)
class Rotated:
    """One step of a rotation: how many data keys it wrapped anew, and how many it left to the next."""

    key_id: str
    wrapped: int
    left: int


def begin(vault: Vault, keyring: Path | None) -> str:
    """Choose the key to rotate to, and its id.

    A keyring's file gets a new key. Keys that are kept elsewhere are rotated there; then the newest one is chosen.

    Args:
        vault: open.
        keyring: the file, where it keeps the keys.

    Raises:
        VaultSealed: without keys.
    """
    if keyring is not None:
        write_keyring(keyring, read_keyring(keyring).rotated())
    newest = vault.lock.reload().active()
    with vault.key_store.write() as session:
        data_keys.change_state(session).kek_id = newest
    return newest


def step(vault: Vault) -> Rotated:
    """Wrap up to `KEYS_AT_ONCE` data keys under the newest key; call it until none is left.

    Raises:
        VaultSealed: if an old or the new key is not to be had.
        Damaged: if a wrapped key does not unwrap.
    """
    provider = vault.lock.provider()
    try:
        with vault.key_store.write() as session:
            newest = provider.wrap(bytes(KEY_BYTES), "")
            # before `finish` may drop the old key, every process must have been told not to wrap under it
            data_keys.change_state(session).kek_id = newest.key_id
            stale = data_keys.under_other_keys(session, newest.key_id, newest.check, KEYS_AT_ONCE)
            for row in stale:
                key = provider.unwrap(WrappedKey(row.kek_id, row.kek_check, row.wrapped or b""), row.id)
                fresh = provider.wrap(key, row.id)
                row.kek_id, row.kek_check, row.wrapped = fresh.key_id, fresh.check, fresh.data
            session.flush()
            left = data_keys.count_under_other_keys(session, newest.key_id, newest.check)
    except KeyUnavailableError as error:
        raise VaultSealed(
            f"The rotation stopped: {error}", "Bring the key back, then rotate again."
        ) from error
    except UnwrapError as error:
        raise Damaged(f"A wrapped key was altered: {error}.", RESTORE) from error
    vault.key_store.scrub()
    return Rotated(newest.key_id, len(stale), left)


def finish(vault: Vault, keyring: Path) -> None:
    """Take the old keys out of the keyring's file, once nothing is wrapped under them."""
    ring = read_keyring(keyring)
    if not under_way(vault):
        write_keyring(keyring, ring.only(ring.newest))
        vault.lock.reload()


def under_way(vault: Vault) -> bool:
    """Whether data keys are left under a key that is not the newest, as a rotation that was broken off leaves them."""
    newest = vault.lock.reload().wrap(bytes(KEY_BYTES), "")
    with vault.key_store.read() as session:
        return data_keys.count_under_other_keys(session, newest.key_id, newest.check) > 0
