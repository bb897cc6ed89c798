"""The service that is fuzzed: a model with a sealed deposit, callers of every role, and no worker.

What is accepted stays queued, so that every request meets the same state and none costs a training.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from app.cli.demo.service import running_service
from app.client import LirfClient
from app.config import Settings
from app.lirf.checkpoint import write_safetensors
from app.lirf.data.images import encode_png
from app.lirf.networks import create, published_state
from app.lirf.train import seed_everything
from app.services.authenticate import KeyText

ARCHITECTURE = "security.fuzz.network:network"
CLASSES = [str(digit) for digit in range(10)]
SPEC: dict[str, Any] = {
    "architecture": ARCHITECTURE,
    "classes": CLASSES,
    "input": {"channels": 1, "height": 8, "width": 8},
}
MODEL = "fuzzed"
NEVER_REFUSED = "1000000"
"""So many failing keys a minute, since otherwise most answers would be 429."""


@dataclass(frozen=True)
class Target:
    """The service, and what is true of it.

    Attributes:
        keys: of an owner, who owns everything, a member, and an admin.
        known: names and ids that mean something to it.
        pid: its process.
        temporary: its folder for temporary files.
    """

    url: str
    settings: Settings
    keys: dict[str, str]
    known: tuple[str, ...]
    pid: int
    temporary: Path

    def target_answer(self) -> list[dict[str, Any]]:
        """What a member, who has withdrawn nothing, is answered for an image that is always the same."""
        chance = torch.Generator().manual_seed(0)
        image = encode_png(torch.randint(0, 256, (1, 8, 8), dtype=torch.uint8, generator=chance))
        with LirfClient(self.url, self.keys["member"]) as client:
            return client.predict(MODEL, [image], top_k=len(CLASSES))


def weights() -> bytes:
    """Weights of the model, as safetensors."""
    seed_everything(0)
    return write_safetensors(published_state(create(ARCHITECTURE, len(CLASSES), 1)))


@contextmanager
def running_target(folder: Path) -> Iterator[Target]:
    """Prepare a service in the folder with a worker, and run it again without."""
    temporary = folder / "temporary"
    temporary.mkdir()
    variables = {
        "LIRF_DATA_DIR": str(folder),
        "LIRF_BOOTSTRAP_KEY": str(KeyText.generate()),
        "LIRF_AUTH_FAILURES_PER_MINUTE": NEVER_REFUSED,
        "LIRF_EXTRA_ARCHITECTURES": f'["{ARCHITECTURE}"]',
        "TMPDIR": str(temporary),
    }
    with running_service(**variables) as service:
        keys, known = _prepared(service.url, service.admin_key)
    with running_service("--no-worker", **variables) as service:
        yield Target(
            url=service.url,
            settings=Settings(data_dir=folder),
            keys=keys,
            known=known,
            pid=service.pid,
            temporary=temporary,
        )


def _prepared(url: str, admin_key: str) -> tuple[dict[str, str], tuple[str, ...]]:
    with LirfClient(url, admin_key) as admin:
        keys = {"owner": admin.create_key("olga", "owner")["key"], "member": admin.create_key("max")["key"]}
    with LirfClient(url, keys["owner"]) as owner:
        owner.builtin_dataset("digits", "digits", "test")
        owner.register_model({"name": MODEL, **SPEC}, weights())
        accepted = owner.deposit(
            {
                "model": MODEL,
                "dataset": "digits",
                "select": {"classes": ["3"]},
                "epochs": 1,
                "settings": {"min_steps": 1},
            }
        )
        owner.wait(accepted["job"])
        grant = owner.grant("max", deposit=accepted["deposits"][0])
        withdrawal = owner.withdraw(accepted["deposits"], "fuzzing")
    known = (
        MODEL,
        "digits",
        "olga",
        "max",
        *accepted["deposits"],
        grant["id"],
        withdrawal["id"],
        *CLASSES[:4],
    )
    return {**keys, "admin": admin_key}, known
