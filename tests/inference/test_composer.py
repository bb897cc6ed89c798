"""Nets from stored artifacts: the right one for each right, ready the second time."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from app.db.session import Sessions
from app.inference.composer import Composer, NetKey
from app.inference.eager import EagerNet
from app.inference.engine import Engine, ServedNet
from app.inference.nets import ReadyNet
from app.lirf.config import DepositConfig
from app.lirf.deposit import deposit
from app.lirf.deposit_set import DepositSet
from app.lirf.networks import InputSpec, create
from app.lirf.recover import RecoverNet
from app.lirf.train import seed_everything
from app.vault.networks import NetworkPlan, StoredModule, StoredNetwork, store_module, store_network
from app.vault.sealing import Label
from app.vault.vault import Seal, Vault

SPEC = InputSpec(1, 8, 8, (0.5,), (0.5,))
PLAN = NetworkPlan("resnet20", 10, SPEC, 7)
MIB = 1024 * 1024
ENGINE = Engine()


def answers(net: ReadyNet, images: Tensor) -> Tensor:
    return torch.from_numpy(ENGINE.answer(ServedNet(net), images.numpy()))


@dataclass(frozen=True)
class Bank:
    target: StoredNetwork
    modules: list[StoredModule]
    recover: RecoverNet

    @property
    def alone(self) -> NetKey:
        return NetKey.of(PLAN, self.target, [])

    @property
    def recovering(self) -> NetKey:
        return NetKey.of(PLAN, self.target, self.modules)


@pytest.fixture
def images() -> Tensor:
    chance = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (64, 1, 8, 8), dtype=torch.uint8, generator=chance)


@pytest.fixture
def bank(vault: Vault, sqlite_sessions: Sessions, images: Tensor) -> Bank:
    seed_everything(0)
    net = create("resnet20", 10, 1).eval()
    labels = torch.tensor([3, 8] * 32)
    result = deposit(
        net, SPEC, PLAN.split, [DepositSet(images, labels, (3, 8))], DepositConfig(epochs=1, min_steps=1)
    )
    label = Label("prn_1", "dep_1", 1, "module")
    stored = [store_module(vault, module, Seal(vault.new_key(), label)) for module in result.modules]
    return Bank(
        store_network(sqlite_sessions, result.target, PLAN.split),
        stored,
        RecoverNet(result.target, result.modules),
    )


def test_a_net_is_composed_once_and_then_ready(vault: Vault, bank: Bank) -> None:
    composer = Composer(vault, 512 * MIB, ENGINE)
    assert composer.net(bank.recovering, bank.modules) is composer.net(bank.recovering, bank.modules)


def test_two_rights_never_share_a_net(vault: Vault, bank: Bank) -> None:
    composer = Composer(vault, 512 * MIB, ENGINE)
    assert composer.net(bank.alone, []) is not composer.net(bank.recovering, bank.modules)


def test_a_net_of_erased_knowledge_leaves_memory_and_others_stay(vault: Vault, bank: Bank) -> None:
    composer = Composer(vault, 512 * MIB, ENGINE)
    target, recover = composer.net(bank.alone, []), composer.net(bank.recovering, bank.modules)
    names = {module.digest for module in bank.modules}
    composer.forget_erased(lambda held: held)
    assert composer.net(bank.recovering, bank.modules) is recover
    asked: list[object] = []

    def nothing_left(held: set[str]) -> set[str]:
        asked.append(held)
        return set()

    composer.forget_erased(nothing_left)
    assert asked == [names]
    assert composer.net(bank.alone, []) is target
    assert composer.net(bank.recovering, bank.modules) is not recover


def test_the_composed_net_answers_as_the_one_that_was_sealed(
    vault: Vault, bank: Bank, images: Tensor
) -> None:
    composer = Composer(vault, 512 * MIB, ENGINE)
    composed = answers(composer.net(bank.recovering, bank.modules), images)
    sealed = answers(EagerNet(bank.recover, SPEC), images)
    assert torch.allclose(composed, sealed, atol=1e-5)
    assert torch.equal(composed.argmax(dim=1), sealed.argmax(dim=1))
    target = answers(composer.net(bank.alone, []), images)
    assert torch.equal(target[:, [3, 8]], torch.zeros(64, 2))
    assert not torch.equal(target, composed)


def test_target_and_recover_net_hold_the_deep_part_once(vault: Vault, bank: Bank) -> None:
    composer = Composer(vault, 512 * MIB, ENGINE)
    target, recover = composer.net(bank.alone, []), composer.net(bank.recovering, bank.modules)
    (shared,) = target.pieces.keys() & recover.pieces.keys()
    deep = sum(
        tensor.numel() * tensor.element_size()
        for block in list(PLAN.empty())[7:-1]
        for tensor in block.state_dict().values()
    )
    assert target.pieces[shared] == deep
