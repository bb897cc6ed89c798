"""Builds target and recover nets from stored artifacts and keeps them ready."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from app.inference.cache import ByteBudgetCache
from app.inference.fusing import fused
from app.lirf.recover import RecoverNet
from app.vault.networks import NetworkPlan, StoredModule, StoredNetwork, load_modules, load_network
from app.vault.vault import Vault


@dataclass(frozen=True)
class NetKey:
    """Names one net for ever, since artifacts never change: two rights or versions never share a key."""

    plan: NetworkPlan
    target: StoredNetwork
    modules: tuple[str, ...]

    @property
    def sealed(self) -> frozenset[str]:
        """Names of the sealed artifacts that the net is made of."""
        original = () if self.target.seal is None else (self.target.shallow, self.target.head)
        return frozenset((*self.modules, *original))


class Composer:
    """Hands out the net of a version with the withdrawn deposits' modules in it."""

    def __init__(self, vault: Vault, budget: int) -> None:
        self._vault = vault
        self._nets: ByteBudgetCache[NetKey, RecoverNet] = ByteBudgetCache(budget, _net_bytes)

    def net(self, plan: NetworkPlan, target: StoredNetwork, modules: list[StoredModule]) -> RecoverNet:
        """The recover net of ``target`` with ``modules``; without any, the target alone.

        Raises:
            VaultSealed: if the net holds sealed knowledge and the vault is sealed, whether or not it is cached.
            Gone, Damaged: if that knowledge was destroyed or altered.
        """
        if modules or target.seal is not None:
            self._vault.lock.require_open()
        key = NetKey(plan, target, tuple(module.digest for module in modules))
        return self._nets.get(key, lambda: self._compose(key, modules))

    def forget_sealed(self) -> None:
        """Drop every net that holds sealed knowledge: the vault was sealed."""
        self._nets.drop(lambda key: bool(key.sealed))

    def forget_model(self, target: StoredNetwork) -> None:
        """Drop the nets of a version, with and without modules."""
        self._nets.drop(lambda key: key.target == target)

    def forget_erased(self, still_sealed: Callable[[set[str]], set[str]]) -> None:
        """Drop nets of knowledge that was erased, by whichever process; ``still_sealed`` tells which names are left."""
        held = {name for key in self._nets.keys() for name in key.sealed}  # noqa: SIM118  a cache is no mapping
        if held:
            gone = held - still_sealed(held)
            self._nets.drop(lambda key: not key.sealed.isdisjoint(gone))

    def _compose(self, key: NetKey, modules: list[StoredModule]) -> RecoverNet:
        target = load_network(self._vault, key.plan, key.target)
        return fused(RecoverNet(target, load_modules(self._vault, modules)))


def _net_bytes(net: nn.Module) -> int:
    tensors = {tensor.data_ptr(): tensor for tensor in (*net.parameters(), *net.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
