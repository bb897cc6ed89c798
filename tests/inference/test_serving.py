"""What is told to those for whom the engine has no room."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from app.domain.errors import TooMany, Unavailable
from app.inference.eager import EagerNet
from app.inference.engine import Engine, ServedNet
from app.inference.nets import Probabilities
from app.inference.serving import Serving
from app.lirf.data.images import Pixels
from app.lirf.networks import InputSpec

SPEC = InputSpec(1, 2, 2, (0.0,), (1.0,))


class Held(nn.Module):
    """Answers when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.started = threading.Event(), threading.Event()

    def forward(self, x: Tensor) -> Tensor:
        self.started.set()
        assert self.go.wait(10)
        return x.flatten(1)


def images(count: int) -> Pixels:
    return np.arange(count * 4, dtype=np.uint8).reshape(count, 1, 2, 2)


def run(steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(steps(), 20))


class Case:
    """A serving of one held net, two images of which may wait."""

    def __init__(self, patience: float = 10.0) -> None:
        self.net, self.rejected, self.batches = Held(), list[str](), list[int]()
        self.serving = Serving(
            Engine(),
            longest_queue=2,
            patience=patience,
            observe=lambda rows, _waited, _took: self.batches.append(rows),
            reject=self.rejected.append,
        )

    async def ask(self, count: int = 1) -> Probabilities:
        return await self.serving.probabilities(ServedNet(EagerNet(self.net, SPEC)), images(count))

    async def busy(self) -> "asyncio.Task[Probabilities]":
        task = asyncio.create_task(self.ask())
        await asyncio.to_thread(self.net.started.wait)
        return task


def test_it_answers_with_probabilities_and_observes_the_batch() -> None:
    async def steps() -> None:
        case = Case()
        case.net.go.set()
        answers = await case.ask(3)
        assert torch.allclose(
            torch.from_numpy(answers), torch.from_numpy(images(3) / np.float32(255)).flatten(1).softmax(dim=1)
        )
        await case.serving.close()
        assert (case.batches, case.rejected) == ([3], [])

    run(steps)


def test_a_full_queue_is_429_with_the_time_to_come_back() -> None:
    async def steps() -> None:
        case = Case()
        tasks = [await case.busy(), asyncio.create_task(case.ask(2))]
        await asyncio.sleep(0)
        with pytest.raises(TooMany, match="2 images wait already") as refusal:
            await case.ask()
        assert refusal.value.retry_after >= 1
        case.net.go.set()
        await asyncio.gather(*tasks)
        await case.serving.close()
        assert case.rejected == ["queue_full"]

    run(steps)


def test_an_engine_that_stays_busy_is_503() -> None:
    async def steps() -> None:
        case = Case(patience=0.01)
        busy = await case.busy()
        late = asyncio.create_task(case.ask())
        await asyncio.sleep(0.05)
        case.net.go.set()
        with pytest.raises(Unavailable, match=r"not free within 0\.01 s") as refusal:
            await late
        assert refusal.value.retry_after == 1
        await busy
        await case.serving.close()
        assert case.rejected == ["deadline"]

    run(steps)


def test_a_service_that_stops_answers_what_it_took_and_refuses_the_rest() -> None:
    async def steps() -> None:
        case = Case()
        busy = await case.busy()
        closing = asyncio.create_task(case.serving.close())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="is stopping"):
            await case.ask()
        case.net.go.set()
        assert len(await busy) == 1
        await closing
        assert case.rejected == ["draining"]

    run(steps)
