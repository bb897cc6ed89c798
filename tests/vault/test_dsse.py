"""Signed statements are believed if they are whole and signed by the trusted key."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.vault.dsse import Envelope, NotSignedError, key_id, sign, verified

KIND = "application/vnd.test+json"
STATEMENT = {"seq": 3, "hash": "ß", "list": [1, None]}


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture
def envelope(key: Ed25519PrivateKey) -> Envelope:
    return sign(KIND, STATEMENT, key)


def test_a_statement_comes_back_as_it_was_signed(envelope: Envelope, key: Ed25519PrivateKey) -> None:
    assert verified(json.loads(json.dumps(envelope)), KIND, key.public_key()) == STATEMENT
    assert envelope["signatures"][0]["keyid"] == key_id(key.public_key())


def test_the_signature_is_over_dsses_own_encoding(envelope: Envelope, key: Ed25519PrivateKey) -> None:
    payload = base64.b64decode(envelope["payload"])
    encoded = b"DSSEv1 25 " + KIND.encode() + b" " + str(len(payload)).encode() + b" " + payload
    key.public_key().verify(base64.b64decode(envelope["signatures"][0]["sig"]), encoded)


def test_changed_content_is_refused(envelope: Envelope, key: Ed25519PrivateKey) -> None:
    payload = base64.b64decode(envelope["payload"]).replace(b"3", b"4")
    changed = {**envelope, "payload": base64.b64encode(payload).decode()}
    with pytest.raises(NotSignedError, match="it was changed"):
        verified(changed, KIND, key.public_key())


def test_another_key_and_another_type_are_named(envelope: Envelope, key: Ed25519PrivateKey) -> None:
    other = Ed25519PrivateKey.generate().public_key()
    with pytest.raises(NotSignedError, match=f"signed by {key_id(key.public_key())}, not by {key_id(other)}"):
        verified(envelope, KIND, other)
    with pytest.raises(NotSignedError, match="not as 'application/other'"):
        verified(envelope, "application/other", key.public_key())


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        "text",
        {},
        {"payloadType": KIND, "payload": "%", "signatures": []},
        {"payloadType": KIND, "payload": "e30=", "signatures": [{}]},
        {"payloadType": KIND, "payload": "e30=", "signatures": [{"keyid": "a", "sig": "%"}]},
    ],
)
def test_what_is_no_envelope_says_so(broken: Any, key: Ed25519PrivateKey) -> None:
    with pytest.raises(NotSignedError, match="no DSSE envelope"):
        verified(broken, KIND, key.public_key())


def test_nobodys_signature_is_nobodys(key: Ed25519PrivateKey) -> None:
    with pytest.raises(NotSignedError, match="signed by nobody"):
        verified({"payloadType": KIND, "payload": "e30=", "signatures": []}, KIND, key.public_key())
