"""From a sealed artifact to the first answer: read, unseal, rebuild, compose, compile, warm, answer."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.config import Settings
from app.db.migrate import upgrade
from app.db.session import open_sessions
from app.inference.composer import Composer, NetKey
from app.inference.compute import available_cores
from app.inference.engine import Engine, ServedNet
from app.lirf.filters import LogitFilter
from app.lirf.module import DepositModule
from app.lirf.networks import create, default_split, published_state
from app.lirf.pruning import prune
from app.lirf.rows import take_rows, without_rows
from app.lirf.train import seed_everything
from app.vault.networks import NetworkPlan, store_module, store_network
from app.vault.opening import open_vault, prepare_vault
from app.vault.sealing import Label
from app.vault.vault import Seal, Vault
from benchmarks.measure import summary
from benchmarks.subject import SPEC

ARCHITECTURES = ("resnet20", "resnet18-cifar")
BUDGET = 512 * 2**20
CLASSES = 10
PRUNE_RATIO = 0.5


def first_answers(seed: int, repeats: int) -> list[dict[str, Any]]:
    """Seconds to the first answer of a recover net with one deposit that nothing is in memory of."""
    with tempfile.TemporaryDirectory(prefix="lirf-bench-") as folder:
        settings = Settings(data_dir=Path(folder))
        sessions = open_sessions(settings.database_url)
        upgrade(sessions)
        vault = open_vault(settings, sessions)
        prepare_vault(settings, vault)
        rows = [
            {"architecture": name, "seconds": summary(_seconds(vault, name, seed, repeats))}
            for name in ARCHITECTURES
        ]
        vault.close()
        sessions.close()
    return rows


def _seconds(vault: Vault, architecture: str, seed: int, repeats: int) -> list[float]:
    seed_everything(seed)
    net, split = create(architecture, CLASSES).eval(), default_split(architecture)
    plan = NetworkPlan(architecture, CLASSES, SPEC, split)
    branch = published_state(prune(net.part(0, split), PRUNE_RATIO, SPEC.shape))
    module = DepositModule(branch | take_rows(net, (0,)), LogitFilter.of((0,)), split, PRUNE_RATIO)
    stored = [store_module(vault, module, Seal(vault.new_key(), Label("owner", "deposit", 1, "module")))]
    key = NetKey.of(plan, store_network(vault.sessions, without_rows(net, (0,)), split), stored)
    engine, image = Engine(threads=available_cores()), np.zeros((1, *SPEC.shape), dtype=np.uint8)
    torch.set_num_threads(1)
    seconds = []
    for _ in range(repeats + 1):  # the first loads what a running service has loaded
        started = time.perf_counter()
        engine.answer(ServedNet(Composer(vault, BUDGET, engine).net(key, stored)), image)
        seconds.append(time.perf_counter() - started)
    return seconds[1:]
