"""Names of things by their content: facts, networks, images, and the code that computes."""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.lirf.checkpoint import write_safetensors
from app.lirf.data.dataset import ImageDataset
from app.lirf.networks import Network, published_state

FORMAT = 1
"""Part of every key: raise it when the bench gives the same cell other images, networks or settings."""

FOLLOWED = ("app.lirf", "experiments.reproduce.measures", "experiments.reproduce.studies")
"""Packages whose code decides figures. The bench around them has FORMAT instead: most of its changes do not."""


def plain(value: Any) -> Any:
    """The value as JSON gives it back, so that tuples and lists compare equal."""
    return json.loads(json.dumps(value, sort_keys=True))


def digest_facts(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def digest_net(net: Network) -> str:
    """SHA-256 of its tensors under their published names."""
    return hashlib.sha256(write_safetensors(published_state(net))).hexdigest()


def digest_images(dataset: ImageDataset) -> str:
    """SHA-256 of pixels, labels and class names, in order."""
    digest = hashlib.sha256(json.dumps([list(dataset.classes), list(dataset.images.shape)]).encode())
    digest.update(dataset.images.numpy().tobytes())
    digest.update(dataset.labels.numpy().tobytes())
    return digest.hexdigest()


def remember_code() -> None:
    """Read the followed code now, when it has just been imported: files may change while a run computes."""
    _followed(FOLLOWED)


@cache
def digest_code(*roots: str) -> str:
    """SHA-256 of the roots and of all modules of `FOLLOWED` that they import, directly or not.

    Comments, docstrings and layout do not count, so that a better sentence costs nobody a day of training.
    """
    digest = hashlib.sha256()
    for name, text in sorted(_closure(roots).items()):
        digest.update(f"{name}\n{text}\n".encode())
    return digest.hexdigest()


def _closure(roots: Iterable[str]) -> dict[str, str]:
    """Module name -> code without comments and docstrings."""
    found: dict[str, str] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        tree = ast.parse(_text(name))
        found[name] = ast.unparse(_without_docstrings(tree))
        waiting += [module for module in _imported(tree) if _counts(module)]
    return found


def _text(name: str) -> str:
    remembered = _followed(FOLLOWED).get(name)
    if remembered is not None:
        return remembered
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"The code of {name} decides figures and cannot be read.")
    return Path(spec.origin).read_text()


@cache
def _followed(packages: tuple[str, ...]) -> dict[str, str]:
    """Module name -> text of every module in these packages."""
    found: dict[str, str] = {}
    for package in packages:
        spec = find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            for path in Path(folder).rglob("*.py"):
                inside = path.relative_to(folder).with_suffix("").parts
                name = ".".join((package, *inside)).removesuffix(".__init__")
                found[name] = path.read_text()
    return found


def _counts(module: str) -> bool:
    return any(module == package or module.startswith(package + ".") for package in FOLLOWED)


def _imported(tree: ast.Module) -> Iterator[str]:
    """Modules named by absolute imports anywhere in the file, the imported names among them where they are modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (
                name
                for name in (f"{node.module}.{alias.name}" for alias in node.names)
                if _counts(name) and _is_module(name)
            )


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module, so it is a function or a class
        return False


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
    return tree


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
