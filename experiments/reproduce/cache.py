"""What was computed, kept beside the facts that decided it, and only reused where all of them are equal.

An entry is ``KIND/NAME-HASH.json``, the hash that of its facts, and for networks a ``.safetensors`` beside it.
Both are written whole or not at all, the JSON last: an interrupted run leaves an entry or none.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from app.lirf.checkpoint import read_safetensors, write_safetensors
from app.lirf.errors import InvalidInputError
from experiments.reproduce.identity import digest_facts, plain

SHOWN = 12


@dataclass(frozen=True)
class Place:
    """Where an entry stands and what has to be equal for it to count.

    Attributes:
        kind: the folder.
        name: for readers; the facts decide.
        facts: everything beside the code that decides the content, as JSON values.
        code: digest of that code.
    """

    kind: str
    name: str
    facts: Mapping[str, Any]
    code: str


@dataclass(frozen=True)
class Cache:
    """A folder of entries.

    Attributes:
        folder: made when something is kept.
        any_code: also take what other code has computed.
    """

    folder: Path
    any_code: bool = False

    def find(self, place: Place) -> dict[str, Any] | None:
        """The content kept for these facts, with the ``code`` that computed it; None if there is none.

        Content of other code comes with ``other_code``, and only if the cache takes any.
        """
        path = self._path(place, "json")
        if not path.is_file():
            return None
        try:
            entry = json.loads(path.read_text())
            equal = entry["facts"] == plain(place.facts)
            current = entry["code"] == place.code
            content: dict[str, Any] = entry["content"]
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInputError("cache", f"{path} cannot be read.", "Delete this file.") from error
        if not equal or not (current or self.any_code):
            return None
        return {**content, "code": entry["code"], **({} if current else {"other_code": True})}

    def find_tensors(self, place: Place) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """The content and the tensors kept for these facts, bit for bit; None if there are none."""
        content = self.find(place)
        path = self._path(place, "safetensors")
        if content is None or not path.is_file():
            return None
        data = path.read_bytes()
        if (
            hashlib.sha256(data).hexdigest() != content["tensors"]
        ):  # replaced by a run that ended before its JSON
            return None
        return content, read_safetensors(data)

    def keep(
        self, place: Place, content: Mapping[str, Any], tensors: Mapping[str, Tensor] | None = None
    ) -> dict[str, Any]:
        """Write an entry, in place of any with the same facts and other code; returns what `find` will."""
        named = dict(content)
        if tensors is not None:
            data = write_safetensors(tensors)
            named["tensors"] = hashlib.sha256(data).hexdigest()
            write_atomically(self._path(place, "safetensors"), data)
        entry = {"facts": place.facts, "code": place.code, "content": named}
        write_atomically(self._path(place, "json"), (json.dumps(entry, indent=1) + "\n").encode())
        return {**plain(named), "code": place.code}

    def _path(self, place: Place, suffix: str) -> Path:
        name = re.sub(r"[^\w.+-]+", "-", place.name)
        return self.folder / place.kind / f"{name}-{digest_facts(plain(place.facts))[:SHOWN]}.{suffix}"


def write_atomically(path: Path, data: bytes) -> None:
    """Write the file so that a reader finds it whole or as it was before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
