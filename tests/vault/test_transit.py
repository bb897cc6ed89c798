"""Keys that stay in a transit engine, spoken to over a real socket."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from app.vault.keyring import Keyring, new_keyring
from app.vault.sealing import new_data_key
from app.vault.transit import Transit
from app.vault.wrapping import KeyUnavailableError, UnwrapError, WrappedKey

DATA_KEY = new_data_key()
TOKEN = "s.token"


class Engine(BaseHTTPRequestHandler):
    """What the transit engine documents of encrypt, decrypt and keys, for one key named ``lirf``."""

    ring: Keyring = new_keyring()
    versions: tuple[str, ...] = ()
    broken: int = 0

    def do_GET(self) -> None:
        self._answer(lambda: {"latest_version": len(self.versions), "name": "lirf"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        bound = base64.b64decode(body["associated_data"]).decode()
        work = self._encrypt if "/encrypt/" in self.path else self._decrypt
        self._answer(lambda: work(body, bound))

    def _encrypt(self, body: dict[str, Any], bound: str) -> dict[str, Any]:
        wrapped = self.ring.wrap(base64.b64decode(body["plaintext"]), bound)
        version = self.versions.index(wrapped.key_id) + 1
        return {"ciphertext": f"vault:v{version}:{base64.b64encode(wrapped.data).decode()}"}

    def _decrypt(self, body: dict[str, Any], bound: str) -> dict[str, Any]:
        _, version, data = body["ciphertext"].split(":")
        key_id = self.versions[int(version[1:]) - 1]
        check = self.ring.only(key_id).wrap(DATA_KEY, "").check
        key = self.ring.unwrap(WrappedKey(key_id, check, base64.b64decode(data)), bound)
        return {"plaintext": base64.b64encode(key).decode()}

    def _answer(self, work: Any) -> None:
        status, answer = 200, {}
        if self.broken:
            status = self.broken
        elif self.headers["X-Vault-Token"] != TOKEN:
            status = 403
        elif not self.path.startswith("/v1/kms/") or not self.path.endswith("/lirf"):
            status = 404
        else:
            try:
                answer = {"data": work()}
            except (UnwrapError, ValueError):
                status, answer = 400, {"errors": ["cipher: message authentication failed"]}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def engine() -> Iterator[type[Engine]]:
    """The engine's state, to be changed by a test."""
    Engine.ring, Engine.broken = new_keyring(), 0
    Engine.versions = (Engine.ring.newest,)
    return Engine


@pytest.fixture
def address(engine: type[Engine]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), engine)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def transit(address: str) -> Iterator[Transit]:
    with Transit(address, TOKEN, "lirf", mount="kms") as opened:
        yield opened


def test_a_data_key_comes_back_under_its_name_alone(transit: Transit) -> None:
    wrapped = transit.wrap(DATA_KEY, "key_1")
    assert wrapped.key_id == transit.active() == "transit/lirf/1"
    assert transit.unwrap(wrapped, "key_1") == DATA_KEY
    with pytest.raises(UnwrapError, match="key_2 does not unwrap"):
        transit.unwrap(wrapped, "key_2")


def test_after_a_rotation_in_the_engine_both_versions_unwrap(transit: Transit, engine: type[Engine]) -> None:
    before = transit.wrap(DATA_KEY, "key_1")
    engine.ring = engine.ring.rotated()
    engine.versions = (*engine.versions, engine.ring.newest)
    after = transit.wrap(DATA_KEY, "key_1")
    assert (before.key_id, after.key_id) == ("transit/lirf/1", "transit/lirf/2")
    assert transit.active() == after.key_id
    assert transit.unwrap(before, "key_1") == transit.unwrap(after, "key_1") == DATA_KEY


@pytest.mark.parametrize("data", [b"", b"\xff", b"vault:v1:AAAA"])
def test_altered_wrapped_keys_are_refused(transit: Transit, data: bytes) -> None:
    with pytest.raises(UnwrapError):
        transit.unwrap(replace(transit.wrap(DATA_KEY, "key_1"), data=data), "key_1")


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_an_engine_that_refuses_leaves_the_vault_sealed_and_says_what_to_look_at(
    transit: Transit, engine: type[Engine], status: int
) -> None:
    wrapped = transit.wrap(DATA_KEY, "key_1")
    engine.broken = status
    for ask in (
        transit.active,
        lambda: transit.wrap(DATA_KEY, "k"),
        lambda: transit.unwrap(wrapped, "key_1"),
    ):
        with pytest.raises(KeyUnavailableError, match=f"answers {status}; the server must be unsealed"):
            ask()


def test_an_engine_that_is_not_there_is_named(transit: Transit) -> None:
    with (
        Transit("http://127.0.0.1:9", TOKEN, "lirf") as nowhere,
        pytest.raises(KeyUnavailableError, match=r"127\.0\.0\.1:9/v1/transit does not answer: ConnectError"),
    ):
        nowhere.wrap(DATA_KEY, "key_1")
    assert TOKEN not in repr(transit)


def test_a_wrong_token_is_refused(address: str) -> None:
    with (
        Transit(address, "s.other", "lirf", mount="kms") as stranger,
        pytest.raises(KeyUnavailableError, match="answers 403"),
    ):
        stranger.wrap(DATA_KEY, "key_1")
