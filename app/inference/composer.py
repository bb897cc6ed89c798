"""Builds target and recover nets from stored artifacts and keeps them ready."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from app.db.session import Sessions
from app.inference.cache import ByteBudgetCache
from app.lirf.recover import RecoverNet
from app.vault.networks import NetworkPlan, StoredNetwork, load_modules, load_network


@dataclass(frozen=True)
class NetKey:
    """Names one net for ever, since artifacts never change: two rights or versions never share a key."""

    plan: NetworkPlan
    target: StoredNetwork
    modules: tuple[str, ...]


class Composer:
    """Hands out the net of a version with the withdrawn deposits' modules in it."""

    def __init__(self, sessions: Sessions, budget: int) -> None:
        self._sessions = sessions
        self._nets: ByteBudgetCache[NetKey, RecoverNet] = ByteBudgetCache(budget, _net_bytes)

    def net(
        self, plan: NetworkPlan, target: StoredNetwork, modules: list[tuple[str, dict[str, Any]]]
    ) -> RecoverNet:
        """The recover net of ``target`` with ``modules`` (digest, description); without any, the target alone."""
        key = NetKey(plan, target, tuple(digest for digest, _ in modules))
        return self._nets.get(key, lambda: self._compose(key, modules))

    def _compose(self, key: NetKey, modules: list[tuple[str, dict[str, Any]]]) -> RecoverNet:
        target = load_network(self._sessions, key.plan, key.target)
        return RecoverNet(target, load_modules(self._sessions, modules))


def _net_bytes(net: nn.Module) -> int:
    tensors = {tensor.data_ptr(): tensor for tensor in (*net.parameters(), *net.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
