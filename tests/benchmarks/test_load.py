import json
from pathlib import Path

import pytest

from benchmarks.load import Outcome, load, load_apart, main
from benchmarks.load_clients import Order

from .little_server import answer, little_server

RIGHT = answer(b'{"class":3}')
CHUNKED = (
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"cla\r\n6;note=1\r\nss":3}\r\n0\r\n\r\n'
)


def driven(said: bytes, *, clients: int = 2, pieces: int = 1) -> Outcome:
    with little_server(said, pieces=pieces) as url:
        return load(order(url, clients=clients))


def order(url: str, *, clients: int = 2) -> Order:
    return Order(url, b"x", clients=clients, seconds=0.15, warm_up=0.02, expect='"class":3')


@pytest.mark.parametrize("said", [RIGHT, CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize("pieces", [1, 7])
def test_right_answers_are_counted_and_timed(said: bytes, pieces: int) -> None:
    outcome = driven(said, pieces=pieces)
    assert outcome.answers > 10
    assert outcome.rps == pytest.approx(outcome.answers / 0.15, abs=0.1)
    assert 0 < outcome.p50_ms <= outcome.p99_ms
    assert (outcome.errors, outcome.faults) == (0, {})


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (answer(b'{"class":3}', 500), "status 500"),
        (answer(b'{"class":4}'), "wrong answer"),
        (b"", "broken connection"),
        (b"SSH-2.0-Server\r\n\r\n", "malformed answer"),
        (RIGHT + b"more", "malformed answer"),
    ],
)
def test_all_else_is_an_error(said: bytes, kind: str) -> None:
    outcome = driven(said)
    assert outcome.errors > 0
    assert outcome.faults == {kind: outcome.errors}
    assert (outcome.answers, outcome.rps, outcome.p50_ms) == (0, 0.0, 0.0)


def test_a_connection_that_is_closed_in_order_is_replaced() -> None:
    outcome = driven(answer(b'{"class":3}', 200, "Connection: close"))
    assert outcome.answers > 2
    assert outcome.errors == 0


def test_nobody_listens() -> None:
    with little_server(RIGHT) as url:
        pass
    assert set(load(order(url)).faults) == {"no connection"}


def test_an_answer_that_never_comes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.load_clients.LAST_ANSWERS_SECONDS", 0.05)
    outcome = driven(RIGHT[:-1], clients=3)
    assert outcome.faults == {"no answer": 3}


def test_what_is_asked_is_what_was_ordered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "body").write_bytes(b"x")
    seen: list[bytes] = []
    with little_server(RIGHT, seen) as url:
        options = f"--url {url} --body {tmp_path}/body --clients 1 --seconds 0.1 --warm-up 0".split()
        main([*options, "--content-type", "a/b", "--header", "Authorization: Bearer k", "--expect", "3"])
    assert json.loads(capsys.readouterr().out)["errors"] == 0
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /predict?model=m HTTP/1.1"
    assert head.split(b"\r\n")[2:] == [
        b"Content-Type: a/b",
        b"Content-Length: 1",
        b"Authorization: Bearer k",
    ]
    assert body == b"x"


def test_a_process_of_its_own_finds_the_same(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"x")
    with little_server(RIGHT) as url:
        outcome = load_apart(order(url), tmp_path / "body")
    assert outcome.answers > 10
    assert outcome.errors == 0
