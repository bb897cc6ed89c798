"""A data key at rest is wrapped by a key-encryption key, which never enters the database."""

from dataclasses import dataclass
from typing import Protocol


class KeyUnavailableError(Exception):
    """The key-encryption key cannot be used now; the text tells an operator what to do."""


class WrongKeyError(KeyUnavailableError):
    """There is a key of this id, and it is not the one that wrapped."""


class UnwrapError(Exception):
    """A wrapped key was altered, or belongs to another data key."""


@dataclass(frozen=True)
class WrappedKey:
    """A data key under a key-encryption key.

    Attributes:
        key_id: names the key-encryption key.
        check: tells that key from another of the same id; empty where its keeper does that itself.
        data: the wrapped bytes.
    """

    key_id: str
    check: str
    data: bytes


class KeyProvider(Protocol):
    """Keeps key-encryption keys: a keyring of ours, or a key management service."""

    def active(self) -> str:
        """The id of the key that wraps now.

        Raises:
            KeyUnavailableError: if there is none to be had.
        """

    def wrap(self, data_key: bytes, name: str) -> WrappedKey:
        """Wrap the data key of that name under the active key.

        Raises:
            KeyUnavailableError: as `active`.
        """

    def unwrap(self, wrapped: WrappedKey, name: str) -> bytes:
        """The data key of that name.

        Raises:
            KeyUnavailableError: if the key that wrapped it is not to be had.
            WrongKeyError: if another key has taken its id.
            UnwrapError: if the wrapped bytes are not those of this name.
        """
