"""The service's signing key: in a file that only its owner can read, made on the first start, or in the environment."""

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from app.domain.errors import Unavailable
from app.vault.private_file import ONLY_OWNER, write_beside


def parse_signing_key(pem: bytes, where: str) -> Ed25519PrivateKey:
    """The private key in PEM.

    Raises:
        Unavailable: if it is not an Ed25519 private key; it is never quoted.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable(where) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(where)
    return key


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a file.

    Raises:
        Unavailable: if there is none, if others may read it, or if it is not one.
    """
    try:
        mode, pem = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise Unavailable(
            f"There is no signing key at {path}.", "An operator puts it back from its backup."
        ) from error
    if stat.S_IMODE(mode) & ONLY_OWNER:
        raise Unavailable("Others may read the signing key.", f"An operator runs: chmod 600 {path}")
    return parse_signing_key(pem, str(path))


def make_signing_key(path: Path) -> None:
    """Put a new key into the file, unless one is there; of several processes at once, one makes it."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    beside = write_beside(path, pem)
    try:
        os.link(beside, path)  # unlike a rename, this fails where a key is already
    except FileExistsError:
        pass
    finally:
        beside.unlink()


def public_pem(key: Ed25519PrivateKey) -> str:
    """The public key for whoever verifies."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def parse_public_key(pem: bytes) -> Ed25519PublicKey:
    """The public key in PEM.

    Raises:
        ValueError: if it is not an Ed25519 public key.
    """
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("This is no Ed25519 public key.")  # noqa: TRY004  its content is wrong, not its type
    return key


def _unusable(where: str) -> Unavailable:
    return Unavailable(f"{where} holds no Ed25519 private key in PEM.", "An operator gives one.")
