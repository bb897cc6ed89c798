"""Signed statements: DSSE envelopes with Ed25519 (secure-systems-lab/dsse, version 1; RFC 8032)."""

import base64
import binascii
import hashlib
import json
from typing import Any, TypedDict

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Signature(TypedDict):
    keyid: str
    sig: str


class Envelope(TypedDict):
    """``payload`` and ``sig`` are base64."""

    payloadType: str
    payload: str
    signatures: list[Signature]


class NotSignedError(Exception):
    """The envelope is not signed by the key that is trusted; the text says what differs."""


def sign(payload_type: str, statement: Any, key: Ed25519PrivateKey) -> Envelope:
    """A statement in JSON, signed."""
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    signature = key.sign(_authenticated(payload_type, payload))
    return {
        "payloadType": payload_type,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": key_id(key.public_key()), "sig": base64.b64encode(signature).decode()}],
    }


def verified(envelope: Any, payload_type: str, key: Ed25519PublicKey) -> Any:
    """The statement in an envelope that this key has signed.

    Raises:
        NotSignedError: if it is of another type or form, if this key has not signed it, or if it was changed.
    """
    try:
        payload = base64.b64decode(envelope["payload"], validate=True)
        signatures = {
            one["keyid"]: base64.b64decode(one["sig"], validate=True) for one in envelope["signatures"]
        }
        found = envelope["payloadType"]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise NotSignedError("This is no DSSE envelope.") from error
    if found != payload_type:
        raise NotSignedError(f"This is signed as {found!r}, not as {payload_type!r}.")
    trusted = key_id(key)
    if trusted not in signatures:
        raise NotSignedError(
            f"This is signed by {', '.join(sorted(signatures)) or 'nobody'}, not by {trusted}."
        )
    try:
        key.verify(signatures[trusted], _authenticated(payload_type, payload))
    except InvalidSignature as error:
        raise NotSignedError("The signature is not of this content: it was changed.") from error
    return json.loads(payload)


def key_id(key: Ed25519PublicKey) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the raw public key."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def _authenticated(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: type and payload, each after its length."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
