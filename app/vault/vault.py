"""The vault: bytes go in sealed, under a data key of their own, and come out whole or not at all."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.db.keystore.models import DataKey
from app.db.models import new_id
from app.db.repositories import artifacts as artifact_rows
from app.db.repositories import data_keys
from app.db.session import Sessions
from app.domain.errors import Damaged, Gone, VaultSealed
from app.vault import artifacts
from app.vault.lock import Lock
from app.vault.sealing import Buffer, Label, TamperedError, new_data_key, seal, unseal
from app.vault.wrapping import KeyUnavailableError, UnwrapError, WrappedKey, WrongKeyError

RESTORE = "Nothing was answered from it. Restore the databases from a backup in which it opens."


@dataclass(frozen=True)
class Seal:
    """What opens an artifact: the data key of this id, and the label that it was sealed under."""

    key_id: str
    label: Label


class Vault:
    """Sealed artifacts in the database, their wrapped data keys in the key store.

    Attributes:
        sessions: the service's database.
        key_store: the data keys' database.
        lock: whether the vault is open.
    """

    def __init__(self, sessions: Sessions, key_store: Sessions, lock: Lock) -> None:
        self.sessions = sessions
        self.key_store = key_store
        self.lock = lock

    def new_key(self) -> str:
        """Make a data key and keep it wrapped; its id.

        Raises:
            VaultSealed: without a key-encryption key.
        """
        key_id = new_id("key")
        provider = self.lock.provider()
        try:
            with self.key_store.write() as session:
                # held until this commits: a rotation that drops the old key begins before or after, never between
                newest = data_keys.hold_newest(session)
                if newest is not None and provider.active() != newest:
                    provider = self.lock.reload()
                wrapped = provider.wrap(new_data_key(), key_id)
                session.add(
                    DataKey(id=key_id, kek_id=wrapped.key_id, kek_check=wrapped.check, wrapped=wrapped.data)
                )
        except KeyUnavailableError as error:
            raise _sealed(error) from error
        return key_id

    def put(self, data: Buffer, sealed_with: Seal) -> str:
        """Store ``data`` sealed; see `put_pieces`."""
        return self.put_pieces([data], memoryview(data).nbytes, sealed_with)

    def put_pieces(self, pieces: Iterable[Buffer], size: int, sealed_with: Seal) -> str:
        """Store ``size`` bytes sealed, one chunk in memory at a time; their name, which nothing can be told from.

        Raises:
            VaultSealed, Gone, Damaged: as `get`.
        """
        key = self._data_key(sealed_with.key_id)
        return artifacts.store_sealed(self.sessions, seal(pieces, size, key, sealed_with.label), size)

    def get(self, name: str, sealed_with: Seal) -> bytearray:
        """What was put under this name.

        Raises:
            VaultSealed: the key-encryption key is not to be had.
            Gone: the data key was destroyed.
            Damaged: the stored bytes, or the wrapped key, are not what was put.
        """
        key = self._data_key(sealed_with.key_id)
        with self.sessions.read() as session:
            artifact = artifact_rows.find(session, name)
            if artifact is None:
                raise Damaged(f"The sealed bytes of {sealed_with.label.deposit} are missing.", RESTORE)
            try:
                return unseal(artifact_rows.read_chunks(session, name), artifact.size, key, sealed_with.label)
            except TamperedError as error:
                raise Damaged(f"Sealed knowledge was altered: {error}.", RESTORE) from error

    def close(self) -> None:
        """Let go of the key store; the service's database belongs to whoever opened it."""
        if self.key_store is not self.sessions:
            self.key_store.close()

    def destroy(self, *key_ids: str) -> None:
        """Destroy data keys for ever: what they sealed will never open again, wherever a copy of it lies."""
        with self.key_store.write() as session:
            data_keys.destroy(session, key_ids)
        self.key_store.scrub()

    def _data_key(self, key_id: str) -> bytes:
        with self.key_store.read() as session:
            row = data_keys.get(session, key_id)
        if row is None or row.wrapped is None:
            lost = "was destroyed" if row else "is not in the key store"
            raise Gone(f"The data key {key_id} {lost}.", "What it sealed cannot be restored.")
        return self._unwrapped(WrappedKey(row.kek_id, row.kek_check, row.wrapped), key_id)

    def _unwrapped(self, wrapped: WrappedKey, key_id: str) -> bytes:
        provider = self.lock.provider()
        try:
            try:
                return provider.unwrap(wrapped, key_id)
            except WrongKeyError:
                raise
            except KeyUnavailableError:  # perhaps another process has just made this key
                return self.lock.reload().unwrap(wrapped, key_id)
        except KeyUnavailableError as error:
            raise _sealed(error) from error
        except UnwrapError as error:
            raise Damaged(f"A wrapped key was altered: {error}.", RESTORE) from error


def _sealed(error: KeyUnavailableError) -> VaultSealed:
    return VaultSealed(f"The vault is sealed: {error}", "Targets are still served. Bring the key back.")
