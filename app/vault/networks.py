"""Networks at rest: a version is three artifacts, of which the deep one is shared by all versions of a model."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.db.session import Sessions
from app.lirf.checkpoint import read_safetensors, write_safetensors
from app.lirf.filters import LogitFilter
from app.lirf.module import DepositModule
from app.lirf.networks import InputSpec, Network, create, load_published, published_state
from app.vault import artifacts


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
    """The digests of a network's shallow part, its deep part up to the classifier, and its head."""

    shallow: str
    deep: str
    head: str


@dataclass(frozen=True)
class StoredModule:
    """A deposit module's digest and the facts that its tensors do not tell."""

    digest: str
    size: int
    description: dict[str, Any]


def store_network(sessions: Sessions, net: Network, split: int) -> StoredNetwork:
    last = len(net) - 1
    parts = (net.part(0, split), net.part(split, last), net.part(last))
    return StoredNetwork(
        *(artifacts.store(sessions, write_safetensors(published_state(part))) for part in parts)
    )


def load_network(sessions: Sessions, plan: NetworkPlan, stored: StoredNetwork) -> Network:
    tensors = {}
    for digest in (stored.shallow, stored.deep, stored.head):
        tensors.update(read_safetensors(artifacts.load(sessions, digest)))
    return load_published(plan.empty(), tensors)


def store_module(sessions: Sessions, module: DepositModule) -> StoredModule:
    data = write_safetensors(module.tensors)
    description = {
        "kind": module.filter.kind,
        "classes": list(module.filter.classes),
        "split": module.split,
        "prune_ratio": module.prune_ratio,
        "tensors": len(module.tensors),
    }
    return StoredModule(artifacts.store(sessions, data), len(data), description)


def load_modules(sessions: Sessions, stored: Iterable[tuple[str, dict[str, Any]]]) -> list[DepositModule]:
    """Load modules from pairs of digest and description."""
    return [
        DepositModule(
            tensors=read_safetensors(artifacts.load(sessions, digest)),
            filter=LogitFilter(description["kind"], tuple(description["classes"])),
            split=description["split"],
            prune_ratio=description["prune_ratio"],
        )
        for digest, description in stored
    ]
