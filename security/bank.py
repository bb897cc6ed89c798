"""A service to attack: two deposits of two owners, one kept original, and callers who ask for answers."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import torch

from app.cli.demo.service import running_service
from app.client import LirfClient
from app.config import Settings
from app.lirf.checkpoint import write_safetensors
from app.lirf.data.images import encode_png
from app.lirf.networks import create, published_state
from app.lirf.train import seed_everything

ARCHITECTURE = "allcnn"
"""Its module is longer than one chunk, so that chunks can be swapped."""

DEPOSITED = {"first": ["3"], "second": ["8"], "kept": ["5"]}
"""Models, and the classes that are deposited from each."""

IMAGES = 16


@dataclass(frozen=True)
class Answer:
    """What a caller got: the status, the problem's type, or the net that spoke and all that it said."""

    status: int
    problem: str | None
    net: str | None
    said: str

    @property
    def refusal(self) -> tuple[int, str | None]:
        return self.status, self.problem


@dataclass(frozen=True)
class Bank:
    """The service, and who may ask it what.

    Attributes:
        settings: where its databases and its keyring lie.
        deposits: the sealed deposit of each model.
        owner: holds withdrawals of all of them.
        member: holds none.
        admin: seals and opens the vault.
    """

    settings: Settings
    url: str
    deposits: dict[str, str]
    owner: str
    member: str
    admin: LirfClient

    def ask(self, model: str, key: str) -> Answer:
        body = {"model": model, "images": _images(), "top_k": 10}
        answer = httpx.post(f"{self.url}/predict", json=body, headers=_bearer(key), timeout=60)
        if answer.is_success:
            return Answer(answer.status_code, None, answer.json()[0]["net"], answer.text)
        return Answer(answer.status_code, _problem(answer), None, answer.text)

    def withdraw(self, model: str) -> tuple[int, str | None]:
        body = {"deposits": [self.deposits[model]], "reason": "security"}
        answer = httpx.post(f"{self.url}/withdrawals", json=body, headers=_bearer(self.owner), timeout=60)
        return answer.status_code, None if answer.is_success else _problem(answer)

    def forget_what_is_cached(self) -> None:
        """Seal and open the vault: every process reads keys and modules anew."""
        self.admin.seal_vault("an attack is about to begin")
        self.admin.unseal_vault()


@contextmanager
def running_bank(folder: Path) -> Iterator[Bank]:
    """Start a service in the folder and make the deposits."""
    with (
        running_service(LIRF_DATA_DIR=str(folder)) as service,
        LirfClient(service.url, service.admin_key) as admin,
    ):
        owner = admin.create_key("olga", "owner")["key"]
        member = admin.create_key("mallory", "member")["key"]
        with LirfClient(service.url, owner) as client:
            client.builtin_dataset("digits", "digits", "test")
            deposits = {model: _deposited(client, model) for model in DEPOSITED}
            for deposit in deposits.values():
                client.withdraw([deposit], "security")
        yield Bank(Settings(data_dir=folder), service.url, deposits, owner, member, admin)


def _deposited(client: LirfClient, model: str) -> str:
    classes = [str(digit) for digit in range(10)]
    spec: dict[str, Any] = {
        "name": model,
        "architecture": ARCHITECTURE,
        "classes": classes,
        "input": {"channels": 1, "height": 8, "width": 8},
    }
    seed_everything(0)
    client.register_model(spec, write_safetensors(published_state(create(ARCHITECTURE, len(classes), 1))))
    accepted = client.deposit(
        {
            "model": model,
            "dataset": "digits",
            "select": {"classes": DEPOSITED[model]},
            "keep_original": model == "kept",
            "epochs": 1,
            "settings": {"min_steps": 1},
        }
    )
    client.wait(accepted["job"])
    return str(accepted["deposits"][0])


def _images() -> list[str]:
    chance = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (IMAGES, 1, 8, 8), dtype=torch.uint8, generator=chance)
    return [base64.b64encode(encode_png(image)).decode() for image in images]


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _problem(answer: httpx.Response) -> str:
    return str(json.loads(answer.text)["type"]).rpartition("/")[2]
