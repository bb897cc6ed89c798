"""Head and body leave together, and a head never waits for a body that is not there yet."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, cast

import uvicorn
from starlette.types import Receive, Scope, Send

from app.one_write import HeadKeepingTransport, OneWriteProtocol

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Written:
    """A transport that remembers."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> str:
        return f"the {name}"


def with_transport(steps: Callable[[HeadKeepingTransport, Written], Coroutine[Any, Any, None]]) -> Written:
    below = Written()

    async def run() -> None:
        transport = cast("asyncio.Transport", below)
        await steps(HeadKeepingTransport(transport, asyncio.get_running_loop()), below)

    asyncio.run(run())
    return below


def test_head_and_body_are_one_write_and_what_follows_another() -> None:
    async def steps(transport: HeadKeepingTransport, _below: Written) -> None:
        transport.write(HEAD)
        transport.write(b"body")
        transport.write(b"more")

    assert with_transport(steps).writes == [HEAD + b"body", b"more"]


def test_a_head_whose_body_comes_later_is_written_when_the_loop_goes_on() -> None:
    async def steps(transport: HeadKeepingTransport, below: Written) -> None:
        transport.write(HEAD)
        assert below.writes == []
        await asyncio.sleep(0)
        assert below.writes == [HEAD]
        transport.write(b"body")

    assert with_transport(steps).writes == [HEAD, b"body"]


def test_closing_writes_the_head_first_and_a_closed_connection_gets_none() -> None:
    async def closing(transport: HeadKeepingTransport, _below: Written) -> None:
        transport.write(HEAD)
        transport.close()

    async def closed(transport: HeadKeepingTransport, below: Written) -> None:
        transport.write(HEAD)
        below.close()
        await asyncio.sleep(0)

    below = with_transport(closing)
    assert (below.writes, below.closed) == ([HEAD], True)
    assert with_transport(closed).writes == []


def test_all_else_is_the_transports_own() -> None:
    async def steps(transport: HeadKeepingTransport, _below: Written) -> None:
        assert transport.get_extra_info("peername") == "the peername"

    with_transport(steps)


def test_a_server_sends_the_head_of_a_stream_before_its_body_is_there() -> None:
    go = threading.Event()

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await asyncio.to_thread(go.wait, 10)
        await send({"type": "http.response.body", "body": b"late"})

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(app, http=OneWriteProtocol, log_config=None, lifespan="off", loop="asyncio")
        )
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), timeout=10) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
                head = client.recv(4096)
                assert head.startswith(b"HTTP/1.1 200")
                assert head.endswith(b"\r\n\r\n")
                go.set()
                assert client.recv(4096) == b"late"
        finally:
            go.set()
            server.should_exit = True
            thread.join(10)
