"""Key-encryption keys that stay in HashiCorp Vault or OpenBao: their transit engine wraps and unwraps by HTTP."""

import base64
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import httpx

from app.vault.wrapping import KeyUnavailableError, UnwrapError, WrappedKey

SECONDS = 5.0


class Transit:
    """A `KeyProvider` over a transit key; the engine keeps its versions, so rotating it is `vault write -f …/rotate`.

    Args:
        address: of the server, such as ``https://vault.example:8200``.
        token: that may encrypt and decrypt with the key, and read it.
        key: the transit key's name.
        mount: path of the transit engine.
    """

    def __init__(
        self,
        address: str,
        token: str,
        key: str,
        *,
        mount: str = "transit",
    ) -> None:
        self._key = key
        self._engine = f"{address.rstrip('/')}/v1/{mount.strip('/')}"
        self._client = httpx.Client(timeout=SECONDS, headers={"X-Vault-Token": token})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def __repr__(self) -> str:
        return f"Transit({self._engine}, key={self._key!r})"

    def active(self) -> str:
        return self._key_id(self._ask("GET", "keys").get("latest_version"))

    def wrap(self, data_key: bytes, name: str) -> WrappedKey:
        answer = self._ask(
            "POST",
            "encrypt",
            plaintext=base64.b64encode(data_key).decode(),
            associated_data=base64.b64encode(name.encode()).decode(),
        )
        ciphertext = self._text(answer, "ciphertext")
        version = ciphertext.split(":")[1].removeprefix("v")
        return WrappedKey(self._key_id(version), "", ciphertext.encode())

    def unwrap(self, wrapped: WrappedKey, name: str) -> bytes:
        try:
            ciphertext = wrapped.data.decode("ascii")
        except UnicodeDecodeError as error:
            raise UnwrapError(f"data key {name} is not a transit ciphertext") from error
        answer = self._ask(
            "POST",
            "decrypt",
            unwraps=name,
            ciphertext=ciphertext,
            associated_data=base64.b64encode(name.encode()).decode(),
        )
        return base64.b64decode(self._text(answer, "plaintext"))

    def _key_id(self, version: Any) -> str:
        return f"transit/{self._key}/{version}"

    def _ask(self, method: str, call: str, *, unwraps: str | None = None, **body: str) -> dict[str, Any]:
        """The ``data`` of the engine's answer; its texts are not repeated, they may quote what was sent."""
        url = f"{self._engine}/{call}/{self._key}"
        try:
            answer = self._client.request(method, url, json=body or None)
        except httpx.HTTPError as error:
            raise KeyUnavailableError(f"{self._engine} does not answer: {type(error).__name__}.") from error
        if answer.status_code == HTTPStatus.BAD_REQUEST and unwraps is not None:
            raise UnwrapError(f"data key {unwraps} does not unwrap")
        if answer.status_code != HTTPStatus.OK:
            raise KeyUnavailableError(
                f"{url} answers {answer.status_code}; the server must be unsealed, the key must exist, and the token "
                "must be allowed to use it."
            )
        try:
            data = answer.json()["data"]
        except (ValueError, KeyError, TypeError) as error:
            raise KeyUnavailableError(f"{url} does not answer as a transit engine does.") from error
        return dict(data)

    def _text(self, answer: dict[str, Any], name: str) -> str:
        value = answer.get(name)
        if not isinstance(value, str) or value.count(":") < (2 if name == "ciphertext" else 0):
            raise KeyUnavailableError(f"{self._engine} answers without a {name}.")
        return value
