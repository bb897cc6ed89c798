"""A file that only its owner can read, whole on disk before it takes its place."""

import os
import secrets
from pathlib import Path

ONLY_OWNER = 0o077
"""Permissions that nobody but the owner may have on it."""


def write_beside(path: Path, data: bytes) -> Path:
    """Write ``data`` to a new file in the folder of ``path``, from where the caller moves or links it into place."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_suffix(f".{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return beside
