"""A running service that has a model with one deposit, a caller of the target net, and one of the recover net."""

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from app.cli.demo.service import running_service
from app.client import LirfClient
from app.lirf.checkpoint import write_safetensors
from app.lirf.data.images import encode_png
from app.lirf.networks import InputSpec, Network, published_state

MODEL = "bench"
CLASSES = [f"class{index}" for index in range(10)]
IMAGES_PER_CLASS = 8


@dataclass(frozen=True)
class Bank:
    """Where it listens, a key for each net and an admin's, one encoded image, its process and its data folder."""

    url: str
    keys: dict[str, str]
    image: bytes
    admin_key: str
    pid: int
    folder: Path


@contextmanager
def open_bank(net: Network, spec: InputSpec, seed: int) -> Iterator[Bank]:
    """`lirf up` with ``net`` registered and two of its classes deposited in a single step: enough for speed."""
    chance = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (10 * IMAGES_PER_CLASS, *spec.shape), generator=chance, dtype=torch.uint8)
    with (
        TemporaryDirectory(prefix="lirf-bank-") as data,
        running_service(LIRF_DATA_DIR=data) as service,
        LirfClient(service.url, service.admin_key) as admin,
    ):
        keys = {name: admin.create_key(name)["key"] for name in ("target", "recover")}
        admin.register_model(
            {
                "name": MODEL,
                "architecture": "resnet20",
                "classes": CLASSES,
                "input": {
                    "channels": spec.channels,
                    "height": spec.height,
                    "width": spec.width,
                    "mean": list(spec.mean),
                    "std": list(spec.std),
                },
            },
            write_safetensors(published_state(net)),
        )
        with TemporaryDirectory() as folder:
            file = Path(folder) / "images.zip"
            file.write_bytes(_zip(images))
            admin.upload_dataset("images", file)
        accepted = admin.deposit(
            {
                "model": MODEL,
                "dataset": "images",
                "select": {"classes": CLASSES[:2]},
                "epochs": 1,
                "settings": {"min_steps": 1},
                "seed": seed,
            }
        )
        admin.wait(accepted["job"])
        admin.withdraw(accepted["deposits"], "A benchmark.", {"principal": "recover"})
        yield Bank(service.url, keys, encode_png(images[0]), service.admin_key, service.pid, Path(data))


def describe(bank: Bank) -> str:
    """Which net answers whom, as the service says it; raise ValueError if it is not the one meant."""
    answers = {}
    for name, key in bank.keys.items():
        with LirfClient(bank.url, key) as client:
            answers[name] = client.predict(MODEL, [bank.image])[0]["net"]
    if any(name != net for name, net in answers.items()):
        raise ValueError(f"the wrong nets answered: {answers}")
    return json.dumps(answers)


def _zip(images: torch.Tensor) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for number, image in enumerate(images):
            archive.writestr(f"{CLASSES[number % 10]}/{number:04d}.png", encode_png(image))
    return sink.getvalue()
