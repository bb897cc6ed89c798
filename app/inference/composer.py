"""Builds target and recover nets from stored artifacts and keeps them ready."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from app.inference.cache import ByteBudgetCache
from app.inference.engine import Engine
from app.inference.nets import ReadyNet
from app.lirf.recover import RecoverNet
from app.vault.networks import NetworkPlan, StoredModule, StoredNetwork, load_modules, load_network
from app.vault.vault import Vault


@dataclass(frozen=True)
class NetKey:
    """Names one net for ever, since artifacts never change: two rights or versions never share a key."""

    plan: NetworkPlan
    target: StoredNetwork
    modules: tuple[str, ...]

    @classmethod
    def of(cls, plan: NetworkPlan, target: StoredNetwork, modules: list[StoredModule]) -> Self:
        return cls(plan, target, tuple(module.digest for module in modules))

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.plan, self.target, self.modules))

    @cached_property
    def sealed(self) -> frozenset[str]:
        """Names of the sealed artifacts that the net is made of."""
        original = () if self.target.seal is None else (self.target.shallow, self.target.head)
        return frozenset((*self.modules, *original))


class Composer:
    """Hands out the net of a version with the withdrawn deposits' modules in it.

    Args:
        vault: holds the artifacts.
        budget: bytes of the nets that are kept ready.
        engine: makes them ready.
    """

    def __init__(self, vault: Vault, budget: int, engine: Engine) -> None:
        self._vault = vault
        self._engine = engine
        self._nets: ByteBudgetCache[NetKey, ReadyNet] = ByteBudgetCache(budget, lambda net: net.pieces)

    def net(self, key: NetKey, modules: list[StoredModule]) -> ReadyNet:
        """The recover net of the key's target with ``modules``, warm; without any, the target alone.

        Raises:
            VaultSealed: if the net holds sealed knowledge and the vault is sealed, whether or not it is cached.
            Gone, Damaged: if that knowledge was destroyed or altered.
        """
        if key.sealed:
            self._vault.lock.require_open()
        return self._nets.get(key, lambda: self._compose(key, modules))

    def ready(self, key: NetKey) -> ReadyNet | None:
        """`net` if it is in memory and may be used as far as is known; never waits."""
        if key.sealed and not self._vault.lock.known_open:
            return None
        return self._nets.ready(key)

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

    def _compose(self, key: NetKey, modules: list[StoredModule]) -> ReadyNet:
        plan, stored = key.plan, key.target
        target = load_network(self._vault, plan, stored)
        net = RecoverNet(target, load_modules(self._vault, modules), plan.split)
        return self._engine.prepare(net, plan.spec, deep_name=(plan, stored.deep), head_name=stored.head)
