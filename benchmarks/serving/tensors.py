"""Batches of 64 as V2 binary tensors, beside the bare engine in a loop on the same cores."""

import json
import statistics
from pathlib import Path
from typing import Any

from app.inference.compute import available_cores
from app.inference.engine import Engine, ServedNet
from app.lirf.recover import RecoverNet
from benchmarks.bank import MODEL, Bank
from benchmarks.load import load_apart
from benchmarks.load_clients import Order
from benchmarks.serving.engine import bare_p50_ms, bare_rate
from benchmarks.subject import SPEC, original, random_images

BATCH = 64
CLIENTS = 2
"""One whose images are computed, and one whose request is read and answered meanwhile."""


def against_the_limit(bank: Bank, seed: int, seconds: float, repeats: int, folder: Path) -> dict[str, Any]:
    """Images per second through ``/v2`` as a share of the bare engine's, and what the service adds to one image."""
    engine = Engine(threads=available_cores())
    served = ServedNet(engine.prepare(RecoverNet(original(seed)), SPEC))
    images = random_images(BATCH, seed)
    body, length = _request(images.numpy().tobytes())
    file = folder / "request.bin"
    file.write_bytes(body)
    order = Order(
        f"{bank.url}/v2/models/{MODEL}/infer",
        body,
        CLIENTS,
        seconds,
        content_type="application/octet-stream",
        headers=(
            f"Authorization: Bearer {bank.keys['target']}",
            f"Inference-Header-Content-Length: {length}",
        ),
        expect='"target"',
    )
    through, bare = [], []
    for _ in range(repeats):
        bare.append(bare_rate(served, engine, images.numpy(), seconds))
        outcome = load_apart(order, file)
        if outcome.errors:
            raise ValueError(f"{outcome.errors} batches were not answered: {outcome.faults}")
        through.append(outcome.rps * BATCH)
    return {
        "batch": BATCH,
        "clients": CLIENTS,
        "v2_images_per_second": round(statistics.median(through), 1),
        "engine_images_per_second": round(statistics.median(bare), 1),
        "share": round(statistics.median(one / limit for one, limit in zip(through, bare, strict=True)), 3),
        "engine_p50_ms": round(bare_p50_ms(served, engine, images[:1].numpy()), 3),
    }


def _request(pixels: bytes) -> tuple[bytes, int]:
    """A request of the binary data extension, and the length of its JSON."""
    tensor = {
        "name": "image",
        "shape": [BATCH, *SPEC.shape],
        "datatype": "UINT8",
        "parameters": {"binary_data_size": len(pixels)},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    return head + pixels, len(head)
