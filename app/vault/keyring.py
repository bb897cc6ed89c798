"""Key-encryption keys of our own, in a file that only its owner can read or in the environment."""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.vault.private_file import ONLY_OWNER, write_beside
from app.vault.sealing import KEY_BYTES
from app.vault.wrapping import KeyUnavailableError, UnwrapError, WrappedKey, WrongKeyError

_NONCE_BYTES = 12
_CHECKED = b"lirf key check value 1"
_BOUND = b"lirf-wrap-1:"


@dataclass(frozen=True)
class Keyring:
    """Keys by id, of which the newest wraps; it is a `KeyProvider`.

    Attributes:
        newest: id of the key that wraps.
        keys: all keys, `KEY_BYTES` each; older ones unwrap what a rotation has not reached yet.
    """

    newest: str
    keys: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"Keyring(newest={self.newest!r}, keys={sorted(self.keys)})"

    def active(self) -> str:
        return self.newest

    def wrap(self, data_key: bytes, name: str) -> WrappedKey:
        key, nonce = self.keys[self.newest], secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(key).encrypt(nonce, data_key, _BOUND + name.encode())
        return WrappedKey(self.newest, check_value(key), nonce + sealed)

    def unwrap(self, wrapped: WrappedKey, name: str) -> bytes:
        key = self.keys.get(wrapped.key_id)
        if key is None:
            raise KeyUnavailableError(
                f"Key {wrapped.key_id} is not in the keyring, which has {', '.join(sorted(self.keys))}."
            )
        if not hmac.compare_digest(check_value(key), wrapped.check):
            raise WrongKeyError(f"The keyring's key {wrapped.key_id} is not the one that sealed the vault.")
        try:
            return AESGCM(key).decrypt(
                wrapped.data[:_NONCE_BYTES], wrapped.data[_NONCE_BYTES:], _BOUND + name.encode()
            )
        except (InvalidTag, ValueError) as error:
            raise UnwrapError(f"data key {name} does not unwrap") from error

    def rotated(self) -> "Keyring":
        """The same keys and a new one, which wraps from now on."""
        fresh = _new_key_id()
        return Keyring(fresh, {**self.keys, fresh: secrets.token_bytes(KEY_BYTES)})

    def only(self, key_id: str) -> "Keyring":
        """Without all keys but one: what is left when a rotation is complete."""
        return Keyring(key_id, {key_id: self.keys[key_id]})


def new_keyring() -> Keyring:
    key_id = _new_key_id()
    return Keyring(key_id, {key_id: secrets.token_bytes(KEY_BYTES)})


def check_value(key: bytes) -> str:
    """Tells two keys apart and tells nothing about either: 16 hexadecimal digits."""
    return hmac.new(key, _CHECKED, hashlib.sha256).hexdigest()[:16]


def parse_keyring(text: str) -> Keyring:
    """A keyring from ``id:base64,id:base64``, newest first.

    Raises:
        KeyUnavailableError: if that is not what the text is; it is never quoted.
    """
    pairs = [entry.strip().partition(":") for entry in text.split(",") if entry.strip()]
    if not pairs or len({key_id for key_id, _, _ in pairs}) != len(pairs):
        raise KeyUnavailableError("The vault's keys must be written id:base64, newest first, each id once.")
    return Keyring(pairs[0][0], {key_id: _decoded(key_id, encoded) for key_id, _, encoded in pairs})


def read_keyring(path: Path) -> Keyring:
    """The keyring in a file.

    Raises:
        KeyUnavailableError: if there is none, if others may read it, or if it is not a keyring.
    """
    try:
        mode = path.stat().st_mode
        content = json.loads(path.read_text())
        newest, keys = content["newest"], content["keys"]
        ring = Keyring(newest, {key_id: _decoded(key_id, encoded) for key_id, encoded in keys.items()})
    except FileNotFoundError as error:
        raise KeyUnavailableError(f"There is no keyring at {path}. Put it back from its backup.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeyUnavailableError(f"{path} is not a keyring. Put it back from its backup.") from error
    if stat.S_IMODE(mode) & ONLY_OWNER:
        raise KeyUnavailableError(f"Others may read the keyring. Run: chmod 600 {path}")
    if ring.newest not in ring.keys:
        raise KeyUnavailableError(f"{path} lacks its newest key {ring.newest}.")
    return ring


def write_keyring(path: Path, ring: Keyring) -> None:
    """Put a keyring in place of the file, whole or not at all, readable by its owner alone."""
    content = {"newest": ring.newest, "keys": {name: _encoded(key) for name, key in ring.keys.items()}}
    write_beside(path, json.dumps(content, indent=1).encode()).replace(path)


def _new_key_id() -> str:
    return f"kek_{secrets.token_hex(6)}"


def _encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _decoded(key_id: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise KeyUnavailableError(f"Key {key_id} is not base64.") from error
    if len(key) != KEY_BYTES:
        raise KeyUnavailableError(f"Key {key_id} has {len(key)} bytes instead of {KEY_BYTES}.")
    return key
