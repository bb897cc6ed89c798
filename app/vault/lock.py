"""Whether the vault is open, and the key-encryption keys while it is: sealed, no process keeps them in memory."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.db.models import utc_now
from app.db.repositories import data_keys
from app.db.session import Sessions
from app.domain.errors import VaultSealed
from app.vault.wrapping import KeyProvider, KeyUnavailableError

LOOK_AGAIN_SECONDS = 0.5
"""Sealing reaches every process within this time."""

REMEDY = "Targets are still served. An admin opens the vault with: lirf vault unseal"


@dataclass(frozen=True)
class LockState:
    """Why the vault is sealed and since when; open where ``reason`` is null."""

    reason: str | None
    since: datetime | None = None
    by: str | None = None
    kek_id: str | None = None

    @property
    def sealed(self) -> bool:
        return self.reason is not None


class Lock:
    """Opens the keys' provider when it is needed, and drops it when an admin seals the vault.

    Args:
        key_store: where every process reads whether the vault is sealed.
        open_provider: how to come by the keys; raises `KeyUnavailableError`.
        clock: seconds.
    """

    def __init__(
        self,
        key_store: Sessions,
        open_provider: Callable[[], KeyProvider],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key_store = key_store
        self._open_provider = open_provider
        self._clock = clock
        self._guard = threading.Lock()
        self._looked = float("-inf")
        self._state = LockState(None)
        self._provider: KeyProvider | None = None

    def provider(self) -> KeyProvider:
        """The keys.

        Raises:
            VaultSealed: if an admin sealed the vault, or the keys are not to be had.
        """
        state = self.state()
        provider = self._provider
        if state.reason is not None or provider is None:
            raise VaultSealed(f"The vault is sealed: {state.reason or 'it was sealed this moment.'}", REMEDY)
        return provider

    def require_open(self) -> None:
        """Raise as `provider` does."""
        self.provider()

    @property
    def known_open(self) -> bool:
        """Whether the vault was open when that was last looked at, not long ago; never waits."""
        fresh = self._clock() - self._looked < LOOK_AGAIN_SECONDS
        return fresh and not self._state.sealed and self._provider is not None

    def state(self) -> LockState:
        """The state as of `LOOK_AGAIN_SECONDS` ago at most."""
        with self._guard:
            if self._clock() - self._looked >= LOOK_AGAIN_SECONDS:
                self._look()
            return self._state

    def reload(self) -> KeyProvider:
        """The keys as they are now, after another process added one.

        Raises:
            VaultSealed: as `provider`.
        """
        with self._guard:
            self._provider = None
            self._look()
        return self.provider()

    def seal(self, by: str, reason: str) -> LockState:
        """Seal the vault for every process until `unseal`; sealing twice keeps the first reason."""
        with self._key_store.write() as session:
            row = data_keys.change_state(session)
            if row.sealed_at is None:
                row.sealed_at, row.sealed_by, row.reason = utc_now(), by, reason
        return self._seen()

    def unseal(self) -> LockState:
        """Open the vault again; it stays sealed where the keys are not to be had."""
        with self._key_store.write() as session:
            row = data_keys.change_state(session)
            row.sealed_at = row.sealed_by = row.reason = None
        return self._seen()

    def _seen(self) -> LockState:
        with self._guard:
            self._look()
            return self._state

    def _look(self) -> None:
        with self._key_store.read() as session:
            row = data_keys.state(session)
            self._state = LockState(row.reason, row.sealed_at, row.sealed_by, row.kek_id)
        self._looked = self._clock()
        if self._state.sealed:
            self._provider = None
        elif self._provider is None:
            try:
                self._provider = self._open_provider()
            except KeyUnavailableError as error:
                self._state = LockState(str(error), kek_id=self._state.kek_id)
