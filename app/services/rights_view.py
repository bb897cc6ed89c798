"""Callers and the nets they are entitled to, in memory: a prediction asks the database only when something was decided.

Every decision that changes an answer is an entry of the ledger, so the number of its newest entry is an epoch: while it
stays the same, what was read stays true, but for what expires. Each process looks at it several times a second; what it
decides itself, it knows at once. Where the epoch cannot be read for a second, nothing in memory is believed.
"""

import hmac
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from app.db.repositories import ledger, rights
from app.db.session import Sessions
from app.domain.rights import Caller
from app.services.authenticate import KeyText, find_caller
from app.services.predict import Entitlement, entitlement

LOOK_EVERY_SECONDS = 0.25
BELIEVED_SECONDS = 1.0
"""How old the last look at the epoch may be: so long a decision of another process may take to be felt here."""

MOST_ENTRIES = 50_000

Name = TypeVar("Name", str, tuple[str, str])
Value = TypeVar("Value")


@dataclass(frozen=True)
class _Known(Generic[Value]):
    """``until`` is the wall clock's time at which something behind the value expires."""

    value: Value
    until: float


class RightsView:
    """What was read since the last decision.

    Args:
        sessions: the service's database.
        clock: seconds that never go back.
        wall_clock: seconds since 1970, for expiries.
    """

    def __init__(
        self,
        sessions: Sessions,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._sessions = sessions
        self._clock, self._wall_clock = clock, wall_clock
        self._guard = threading.Lock()
        self._generation = 0
        self._epoch = -1
        self._looked = float("-inf")
        self._callers: dict[str, _Known[tuple[str, Caller]]] = {}
        self._entitlements: dict[tuple[str, str], _Known[Entitlement]] = {}

    def look(self) -> None:
        """Read the epoch, and forget everything if it has moved."""
        before = self._clock()
        with self._sessions.read() as session:
            epoch, _ = ledger.head(session)
        with self._guard:
            if epoch != self._epoch:
                self._forget()
            self._epoch, self._looked = epoch, before

    def forget(self) -> None:
        """Something was decided by this process."""
        with self._guard:
            self._forget()

    def known_caller(self, key: str | None) -> Caller | None:
        """The caller that holds ``key`` if that is in memory; never waits.

        Raises:
            Unauthenticated: for a key of the wrong shape.
        """
        presented = KeyText.parse(key) if key else None
        known = self._lookup(self._callers, presented.id) if presented else None
        if presented and known and hmac.compare_digest(known[0], presented.hash):
            return known[1]
        return None

    def caller(self, key: str | None) -> Caller:
        """The caller that holds ``key``; `find_caller` where it is not known.

        Raises:
            Unauthenticated: as there.
        """
        known = self.known_caller(key)
        if known is not None:
            return known
        generation = self._generation
        found = find_caller(self._sessions, key)
        self._keep(
            self._callers,
            found.caller.key_id,
            (found.secret_hash, found.caller),
            found.expires_at,
            generation,
        )
        return found.caller

    def known_entitlement(self, caller: Caller, model: str) -> Entitlement | None:
        """By which net the caller is answered if that is in memory; never waits."""
        return self._lookup(self._entitlements, (caller.principal_id, model))

    def entitlement(self, caller: Caller, model: str) -> Entitlement:
        """By which net the caller is answered; see `app.services.predict.entitlement`."""
        known = self.known_entitlement(caller, model)
        if known is not None:
            return known
        generation = self._generation
        with self._sessions.read() as session:
            found = entitlement(session, caller, model)
            expiry = rights.next_expiry(session, found.model.id)
        self._keep(self._entitlements, (caller.principal_id, model), found, expiry, generation)
        return found

    def _lookup(self, entries: dict[Name, _Known[Value]], name: Name) -> Value | None:
        known = entries.get(name)
        if known is None or self._clock() - self._looked > BELIEVED_SECONDS:
            return None
        return known.value if self._wall_clock() < known.until else None

    def _keep(
        self,
        entries: dict[Name, _Known[Value]],
        name: Name,
        value: Value,
        expiry: datetime | None,
        generation: int,
    ) -> None:
        """Keep what was read, unless something was decided while it was being read."""
        until = float("inf") if expiry is None else expiry.timestamp()
        with self._guard:
            if generation != self._generation:
                return
            if len(entries) >= MOST_ENTRIES:
                entries.clear()
            entries[name] = _Known(value, until)

    def _forget(self) -> None:
        self._generation += 1
        self._callers.clear()
        self._entitlements.clear()
