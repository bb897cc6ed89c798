"""Clients of a load generator, as asyncio protocols: a connection each, one request at a time."""

import asyncio
import gc
import importlib
import importlib.util
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast
from urllib.parse import urlsplit

from benchmarks.http_answer import MalformedAnswerError, read_answer

OK = 200
PAUSE_SECONDS = 0.05
"""Before a client connects again to a service that refused or broke its connection."""

LAST_ANSWERS_SECONDS = 10.0
"""How long unanswered requests are waited for at the end; those still open then are broken."""


@dataclass(frozen=True)
class Order:
    """What is asked, by how many, for how long.

    Attributes:
        url: ``http://HOST:PORT/PATH?QUERY``.
        body: of every request.
        clients: connections.
        seconds: that are measured.
        warm_up: seconds before them.
        content_type: of the body.
        headers: further ones, each ``Name: value``.
        expect: what the body of every right answer contains.
    """

    url: str
    body: bytes
    clients: int = 32
    seconds: float = 5.0
    warm_up: float = 1.0
    content_type: str = "image/png"
    headers: tuple[str, ...] = ()
    expect: str = ""

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "127.0.0.1", parts.port or 80

    @property
    def request(self) -> bytes:
        parts = urlsplit(self.url)
        lines = [
            f"POST {parts.path or '/'}{'?' if parts.query else ''}{parts.query} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            *self.headers,
        ]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class Clients:
    """All clients of one order, and what they met in the seconds that count.

    An answer counts when it arrives in these seconds, whenever it was asked for.

    Attributes:
        seconds: per right answer, from request to answer.
        faults: by kind.
    """

    def __init__(self, order: Order) -> None:
        self.seconds: list[float] = []
        self.faults: Counter[str] = Counter()
        self._order = order
        self.request = order.request
        self.expect = order.expect.encode()
        self.counting = False
        self.stopping = False

    def run(self) -> None:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(self._run())

    def missed(self, kind: str) -> None:
        if self.counting:
            self.faults[kind] += 1

    async def _run(self) -> None:
        tasks = [asyncio.create_task(self._client()) for _ in range(self._order.clients)]
        gc.freeze()
        gc.disable()
        try:
            await asyncio.sleep(self._order.warm_up)
            self.counting = True
            await asyncio.sleep(self._order.seconds)
            self.counting, self.stopping = False, True
            _, open_still = await asyncio.wait(tasks, timeout=LAST_ANSWERS_SECONDS)
        finally:
            gc.enable()
            gc.unfreeze()
        self.faults["no answer"] += len(open_still)
        self.faults += Counter()  # drops a kind that was met no times
        for task in open_still:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _client(self) -> None:
        """Keep a connection to the service; one that breaks is a fault and is replaced."""
        loop = asyncio.get_running_loop()
        while not self.stopping:
            closed = loop.create_future()
            try:
                transport, _ = await loop.create_connection(
                    partial(_Connection, self, closed), *self._order.address
                )
            except OSError:
                self.missed("no connection")
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            try:
                orderly = await closed
            finally:
                transport.abort()
            if not orderly:
                await asyncio.sleep(PAUSE_SECONDS)


class _Connection(asyncio.Protocol):
    """Asks, reads, asks again; ``closed`` tells in the end whether all was in order."""

    def __init__(self, clients: Clients, closed: "asyncio.Future[bool]") -> None:
        self._clients = clients
        self._closed = closed
        self._waits = False
        self._asked = 0.0
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast("asyncio.WriteTransport", transport).write
        self._ask()

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        clients = self._clients
        if self._received:
            data = self._received + data
        try:
            answer = read_answer(data)
        except MalformedAnswerError:
            self._end("malformed answer")
            return
        if answer is None:
            self._received = data
            return
        self._received = b""
        self._waits = False
        if answer.status != OK:
            clients.missed(f"status {answer.status}")
        elif clients.expect not in answer.body:
            clients.missed("wrong answer")
        elif clients.counting:
            clients.seconds.append(now - self._asked)
        if answer.closes or clients.stopping:
            self._end()
        else:
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's name
        self._end("broken connection" if self._waits else None)

    def _ask(self) -> None:
        self._waits = True
        self._asked = time.perf_counter()
        self._write(self._clients.request)

    def _end(self, fault: str | None = None) -> None:
        if not self._closed.done():
            if fault:
                self._clients.missed(fault)
            self._closed.set_result(fault is None)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if importlib.util.find_spec("uvloop") is None:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return factory
