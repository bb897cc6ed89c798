"""The little of HTTP/1.1 that a load generator has to read: status line, length, body."""

from typing import NamedTuple

END_OF_HEAD = b"\r\n\r\n"
LINE = b"\r\n"


class MalformedAnswerError(Exception):
    """The bytes are no HTTP/1.1 answer whose end can be told without waiting for the connection to close."""


class Answer(NamedTuple):
    """A whole answer.

    Attributes:
        status: as in the status line.
        body: chunks joined.
        closes: the server says that it closes the connection afterwards.
    """

    status: int
    body: bytes
    closes: bool


def read_answer(data: bytes) -> Answer | None:
    """The answer that ``data`` holds, or None if more bytes have to come.

    Raises:
        MalformedAnswerError: no answer, or more bytes than one.
    """
    end = data.find(END_OF_HEAD)
    if end < 0:
        return None
    head = data[: end + len(LINE)].lower()
    start = end + len(END_OF_HEAD)
    if (length := _field(head, b"content-length")) is not None:
        wanted = start + _number(length, 10)
        if len(data) < wanted:
            return None
        if len(data) > wanted:
            raise MalformedAnswerError("bytes follow the body")
        body = data[start:]
    elif _field(head, b"transfer-encoding") == b"chunked":
        joined = _chunks(data, start)
        if joined is None:
            return None
        body = joined
    else:
        raise MalformedAnswerError("the body's length is not told")
    return Answer(_status(head), body, _field(head, b"connection") == b"close")


def _status(head: bytes) -> int:
    version, _, rest = head.partition(b" ")
    if version != b"http/1.1":
        raise MalformedAnswerError(f"no HTTP/1.1: {version[:20]!r}")
    return _number(rest[:3], 10)


def _field(head: bytes, name: bytes) -> bytes | None:
    """The value of a field of ``head``, which is in lower case and ends with a line's end."""
    at = head.find(LINE + name + b":")
    if at < 0:
        return None
    start = at + len(LINE) + len(name) + 1
    return head[start : head.index(LINE, start)].strip()


def _chunks(data: bytes, at: int) -> bytes | None:
    """The chunks from ``at`` on, joined; None if the last one has not come. Trailers are not expected."""
    chunks = []
    while True:
        end = data.find(LINE, at)
        if end < 0:
            return None
        size = _number(data[at:end].partition(b";")[0], 16)
        start, at = end + len(LINE), end + 2 * len(LINE) + size
        if len(data) < at:
            return None
        if size == 0:
            break
        chunks.append(data[start : start + size])
    if len(data) > at:
        raise MalformedAnswerError("bytes follow the last chunk")
    return b"".join(chunks)


def _number(text: bytes, base: int) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise MalformedAnswerError(f"no number: {text[:20]!r}") from None
