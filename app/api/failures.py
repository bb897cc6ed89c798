"""How often an address may fail to authenticate: a bucket per address that fills by the second."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from app.domain.errors import TooMany

MOST_ADDRESSES = 10_000
"""Addresses that are remembered; beyond that the one that failed longest ago is forgotten."""


class AuthFailures:
    """Counts failed authentications by address; each process counts for itself.

    Args:
        per_minute: failures that an address may have in a minute, and at once.
        clock: seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._guard = threading.Lock()

    def check(self, address: str) -> None:
        """Refuse an address that has no failure left.

        Raises:
            TooMany: with the seconds until it has one.
        """
        if address not in self._left:
            return
        with self._guard:
            left = self._now(address)
        if left < 1:
            raise TooMany(
                "Too many requests from this address carried no usable API key.",
                "Check the key, and wait before the next try.",
                retry_after=math.ceil((1 - left) / self._per_second),
            )

    def failed(self, address: str) -> None:
        """Take one failure from the address."""
        with self._guard:
            self._left[address] = (self._now(address) - 1, self._clock())
            self._left.move_to_end(address)
            if len(self._left) > MOST_ADDRESSES:
                self._left.popitem(last=False)

    def _now(self, address: str) -> float:
        left, at = self._left.get(address, (self._capacity, self._clock()))
        return min(self._capacity, left + (self._clock() - at) * self._per_second)
