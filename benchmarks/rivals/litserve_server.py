"""LitServe with a traced network: POST /predict takes a PNG and answers its most probable class.

It runs in an environment of its own and knows nothing of this project. Settings come as RIVAL_… variables.
"""

import io
import os
from typing import Annotated, Any

import litserve
import numpy as np
import torch
from fastapi import Depends, Request
from PIL import Image


def setting(name: str) -> int:
    return int(os.environ[f"RIVAL_{name}"])


async def read_body(request: Request) -> bytes:
    return await request.body()


class Classifier(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002  its place in their interface
        torch.set_num_threads(setting("THREADS"))
        self.net = torch.jit.load(os.environ["RIVAL_MODEL"])
        for size in (1, 2, self.max_batch_size) * 2:
            self.net(torch.zeros(size, 32, 32, 3, dtype=torch.uint8))

    def decode_request(self, request: Annotated[bytes, Depends(read_body)]) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(request), formats=("PNG",)).convert("RGB"))

    def batch(self, inputs: list[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.stack(inputs))

    def predict(self, x: torch.Tensor) -> list[tuple[float, int]]:
        with torch.inference_mode():
            probabilities, classes = self.net(x)
        return list(zip(probabilities.tolist(), classes.tolist(), strict=True))

    def unbatch(self, output: list[tuple[float, int]]) -> list[tuple[float, int]]:
        return output

    def encode_response(self, output: tuple[float, int]) -> dict[str, Any]:
        return {"class": output[1], "probability": output[0]}


if __name__ == "__main__":
    api = Classifier(max_batch_size=setting("BATCH"), batch_timeout=setting("WAIT_MS") / 1000)
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=setting("WORKERS"),
        fast_queue=bool(setting("FAST_QUEUE")),
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["RIVAL_PORT"]),
        num_api_servers=setting("API_SERVERS"),
        log_level="warning",
        access_log=False,
        generate_client_file=False,
    )
