"""BentoML with a traced network: POST /predict takes a PNG and answers its most probable class.

It runs in an environment of its own and knows nothing of this project. Settings come as RIVAL_… variables.
"""

import io
import json
import os
from pathlib import Path
from typing import Annotated

import bentoml
import numpy as np
import torch
from bentoml.validators import ContentType
from PIL import Image
from pydantic import PlainSerializer
from starlette.requests import Request

# Their batches are joined from lists, so a request's body is a list of one, and so is its answer.
Answer = Annotated[list[bytes], PlainSerializer(lambda one: one[0]), ContentType("application/json")]


class Body(bentoml.IODescriptor):
    """A request's body as it is: an annotated type would have its JSON schema made anew with every request."""

    pngs: list[bytes]

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> "Body":  # noqa: ARG003
        return cls(pngs=[await request.body()])


def setting(name: str) -> int:
    return int(os.environ[f"RIVAL_{name}"])


@bentoml.service(
    workers=setting("WORKERS"),
    threads=1,
    traffic={"timeout": 60},
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
)
class Classifier:
    def __init__(self) -> None:
        torch.set_num_threads(setting("THREADS"))
        self.net = torch.jit.load(os.environ["RIVAL_MODEL"])
        for size in (1, 2, setting("BATCH")) * 2:
            self.net(torch.zeros(size, 32, 32, 3, dtype=torch.uint8))
        # /readyz speaks for the one worker that happens to be asked
        (Path(os.environ["RIVAL_READY"]) / str(os.getpid())).touch()

    @bentoml.api(
        batchable=True,
        input_spec=Body,
        max_batch_size=setting("BATCH"),
        max_latency_ms=setting("LATENCY_MS"),
    )
    def predict(self, pngs: list[bytes]) -> Answer:
        pixels = np.stack(
            [np.asarray(Image.open(io.BytesIO(png), formats=("PNG",)).convert("RGB")) for png in pngs]
        )
        with torch.inference_mode():
            probabilities, classes = self.net(torch.from_numpy(pixels))
        return [
            json.dumps({"class": index, "probability": probability}).encode()
            for probability, index in zip(probabilities.tolist(), classes.tolist(), strict=True)
        ]
