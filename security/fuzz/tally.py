"""Counts of answers by what was sent, what callers were told, and every answer that was wrong."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

SERVER_ERROR = 500
SHOWN_BYTES = 300


class Tally:
    """What was sent, by kind, and what came of it.

    Attributes:
        told: every text in a successful answer's JSON and the id of its request: whatever of the database's
            new rows is not named here was left behind by a request that was refused.
    """

    def __init__(self) -> None:
        self.told: set[str] = set()
        self.wrong: list[str] = []
        self._answers: Counter[tuple[str, int]] = Counter()

    @property
    def sent(self) -> int:
        return self._answers.total()

    def answered(self, kind: str, request: str, status: int, request_id: str, body: bytes) -> None:
        """Count an answer; ``request`` describes what it answers."""
        self._answers[kind, status] += 1
        if status >= SERVER_ERROR:
            self.wrong.append(f"{kind}: {request} was answered {status}: {body[:SHOWN_BYTES]!r}")
        elif status < 300:  # noqa: PLR2004  success
            self.told.add(request_id)
            self.told.update(_texts(body))

    def unanswered(self, kind: str, request: str, reason: str) -> None:
        """Count a request whose connection ended without an answer: for HTTP that is an error of the service's."""
        self._answers[kind, 0] += 1
        self.wrong.append(f"{kind}: {request} was not answered: {reason}")

    def hung_up(self, kind: str) -> None:
        """Count bytes that are no HTTP and so may be met with a closed connection."""
        self._answers[kind, 0] += 1

    def tell(self) -> None:
        kinds = list(dict.fromkeys(kind for kind, _ in self._answers))
        statuses = sorted({status for _, status in self._answers})
        width = max(map(len, kinds), default=0)
        print(f"{'answers by status':<{width}}", *(f"{status or 'none':>6}" for status in statuses), "   all")
        for kind in kinds:
            counts = [self._answers[kind, status] for status in statuses]
            print(f"{kind:<{width}}", *(f"{count or '':>6}" for count in counts), f"{sum(counts):>6}")


def _texts(body: bytes) -> Iterator[str]:
    try:
        yield from _walk(json.loads(body))
    except ValueError:
        return


def _walk(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner)
