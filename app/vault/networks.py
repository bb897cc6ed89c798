"""Networks at rest: a version is three artifacts, of which the deep one is shared by all versions of a model."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from app.db.session import Sessions
from app.lirf.checkpoint import read_safetensors, write_safetensors
from app.lirf.filters import LogitFilter
from app.lirf.module import DepositModule
from app.lirf.networks import InputSpec, Network, create, load_published, published_state
from app.vault import artifacts
from app.vault.tensor_stream import stream, stream_size, view_tensors
from app.vault.vault import Seal, Vault


@dataclass(frozen=True)
class NetworkPlan:
    """How to build a model's network, before any weights."""

    architecture: str
    num_classes: int
    spec: InputSpec
    split: int

    def empty(self) -> Network:
        return create(self.architecture, self.num_classes, self.spec.channels)


@dataclass(frozen=True)
class StoredNetwork:
    """The digests of a network's shallow part, its deep part up to the classifier, and its head.

    ``seal`` is set for a kept original: its shallow part and its head are sealed, as they know what was forgotten.
    """

    shallow: str
    deep: str
    head: str
    seal: Seal | None = None


@dataclass(frozen=True)
class StoredModule:
    """A deposit module's digest, its plain size in bytes, and the facts that its tensors do not tell."""

    digest: str
    size: int
    description: dict[str, Any]
    seal: Seal


def store_network(sessions: Sessions, net: Network, split: int) -> StoredNetwork:
    last = len(net) - 1
    shallow, deep, head = (
        artifacts.store(sessions, write_safetensors(published_state(part)))
        for part in (net.part(0, split), net.part(split, last), net.part(last))
    )
    return StoredNetwork(shallow, deep, head)


def seal_network(vault: Vault, stored: StoredNetwork, seal: Seal) -> StoredNetwork:
    """Store a sealed copy of the two parts that a deposit would destroy; the plain ones stay where they are."""
    shallow, head = (
        vault.put(artifacts.load(vault.sessions, digest), _part(seal, name))
        for name, digest in (("shallow", stored.shallow), ("head", stored.head))
    )
    return StoredNetwork(shallow, stored.deep, head, seal)


def load_network(vault: Vault, plan: NetworkPlan, stored: StoredNetwork) -> Network:
    """Build a stored network.

    Raises:
        VaultSealed, Gone, Damaged: as `Vault.get`, if it is a kept original.
    """
    tensors = {}
    for name, digest in (("shallow", stored.shallow), ("deep", stored.deep), ("head", stored.head)):
        if stored.seal is None or name == "deep":
            data = artifacts.load(vault.sessions, digest)
        else:
            data = bytes(vault.get(digest, _part(stored.seal, name)))
        tensors.update(read_safetensors(data))
    return load_published(plan.empty(), tensors)


def store_module(vault: Vault, module: DepositModule, seal: Seal) -> StoredModule:
    size = stream_size(module.tensors)
    description = {
        "kind": module.filter.kind,
        "classes": list(module.filter.classes),
        "split": module.split,
        "prune_ratio": module.prune_ratio,
        "tensors": len(module.tensors),
    }
    return StoredModule(vault.put_pieces(stream(module.tensors), size, seal), size, description, seal)


def load_modules(vault: Vault, stored: Iterable[StoredModule]) -> list[DepositModule]:
    """Unseal modules.

    Raises:
        VaultSealed, Gone, Damaged: as `Vault.get`.
    """
    return [
        DepositModule(
            tensors=view_tensors(vault.get(one.digest, one.seal)),
            filter=LogitFilter(one.description["kind"], tuple(one.description["classes"])),
            split=one.description["split"],
            prune_ratio=one.description["prune_ratio"],
        )
        for one in stored
    ]


def _part(seal: Seal, name: str) -> Seal:
    return replace(seal, label=replace(seal.label, kind=f"{seal.label.kind}/{name}"))
