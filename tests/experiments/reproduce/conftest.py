from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from app.lirf.config import DepositConfig
from app.lirf.deposit import DepositResult
from app.lirf.deposit import deposit as real_deposit
from experiments.reproduce import deposits
from experiments.reproduce.bench import Bench, Order, open_bench
from experiments.reproduce.cache import Cache
from experiments.reproduce.originals import original
from experiments.reproduce.scale import Scale
from experiments.reproduce.study import Cell, Measured, Scope

ORDER = Order("digits", train_epochs=4, scale=Scale(train=0.3, epochs=1), device="cpu")


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Digits, a T0 of seconds, and a cache that all tests fill together."""
    before = torch.get_num_threads()
    opened = open_bench(ORDER, Cache(tmp_path_factory.mktemp("reproduce")))
    original(opened)
    yield opened
    torch.set_num_threads(before)


@pytest.fixture
def fresh(bench: Bench, tmp_path: Path) -> Bench:
    """The same with a cache of its own that holds T0 and nothing else."""
    own = replace(bench, cache=Cache(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "networks").symlink_to(bench.cache.folder / "networks")
    return own


@pytest.fixture
def scope(bench: Bench) -> Scope:
    return Scope((0,), bench.train.classes, bench.train_config, bench.order.scale.changes)


@pytest.fixture
def measure(bench: Bench) -> Callable[[Cell], Measured]:
    return lambda cell: cell.compute(bench, cell)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[DepositConfig]:
    """The configuration of every deposit that is really made from now on."""
    configs: list[DepositConfig] = []

    def counting(*arguments: object, **options: object) -> DepositResult:
        configs.append(arguments[4])
        return real_deposit(*arguments, **options)

    monkeypatch.setattr(deposits, "deposit", counting)
    return configs
