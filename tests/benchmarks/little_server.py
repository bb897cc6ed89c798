"""A server that answers every POST with the same bytes, for tests of those who read them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

END_OF_HEAD = b"\r\n\r\n"


def answer(body: bytes, status: int = 200, *fields: str) -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status} Some words", f"Content-Length: {len(body)}", *fields, "", ""])
    return head.encode() + body


@contextmanager
def little_server(said: bytes, seen: list[bytes] | None = None, pieces: int = 1) -> Iterator[str]:
    """Say ``said`` to every request, in so many pieces; a body of requests is one byte long.

    An empty ``said`` closes the connection, and so does one that tells that it will.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def converse(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection:
            while request := _request(connection):
                if seen is not None:
                    seen.append(request)
                step = -(-len(said) // pieces)
                for start in range(0, len(said), step or 1):
                    connection.sendall(said[start : start + step])
                if not said or b"connection: close" in said.lower():
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/predict?model=m"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _request(connection: socket.socket) -> bytes:
    received = b""
    while END_OF_HEAD not in received[:-1]:
        try:
            more = connection.recv(65536)
        except OSError:
            return b""
        if not more:
            return b""
        received += more
    return received
