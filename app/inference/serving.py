"""The engine behind its batcher, and what becomes of those for whom it has no room."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from app import traces
from app.domain.errors import TooMany, Unavailable
from app.inference.batcher import Batcher, DeadlineError, DrainingError, QueueFullError
from app.inference.engine import Engine, ServedNet
from app.inference.nets import Probabilities
from app.inference.statistics import Statistics
from app.lirf.data.images import Pixels

LATER = "Ask again later, or less at once."
SOON = 1
"""Seconds."""


class Serving:
    """Answers requests by one engine, in batches. Belongs to one event loop.

    Args:
        engine: runs a net.
        longest_queue: rows that may wait.
        patience: seconds that a request waits for the engine at most.
        observe: called with the images of each batch, the seconds that the oldest waited, and those that all took.
        reject: called with the reason whenever a request is turned away.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        longest_queue: int,
        patience: float,
        observe: Callable[[int, float, float], None],
        reject: Callable[[str], None],
    ) -> None:
        self._executor = ThreadPoolExecutor(
            engine.lanes, "engine", initializer=torch.set_num_threads, initargs=(1,)
        )
        self._batcher: Batcher[ServedNet] = Batcher(
            engine.answer,
            self._executor,
            lanes=engine.lanes,
            at_once=engine.at_once,
            largest_batch=engine.largest_batch,
            longest_queue=longest_queue,
            observe=self._observe,
        )
        self._told = observe
        self.statistics = Statistics()
        self._patience = patience
        self._reject = reject

    @property
    def waiting(self) -> int:
        """Rows that wait for the engine."""
        return self._batcher.waiting

    def requests_waiting(self) -> Counter[tuple[str, str]]:
        """How many requests wait for the engine, by model and version; to be asked on the event loop."""
        waiting = Counter[tuple[str, str]]()
        for served, count in self._batcher.requests_waiting().items():
            waiting[served.model, served.version] += count
        return waiting

    async def probabilities(self, served: ServedNet, images: Pixels) -> Probabilities:
        """Softmax over classes: uint8 images [N, C, H, W] -> float32 [N, classes].

        Raises:
            TooMany: the queue is full.
            Unavailable: the engine was not free in time, or the service is stopping.
        """
        try:
            with traces.span("inference", images=len(images)):
                return await self._batcher.submit(served, images, self._patience)
        except QueueFullError as error:
            self._reject("queue_full")
            raise TooMany(
                f"{self.waiting} images wait already.", LATER, retry_after=error.retry_after
            ) from error
        except DeadlineError as error:
            self._reject("deadline")
            raise Unavailable(
                f"The engine was not free within {self._patience:g} s.", LATER, retry_after=SOON
            ) from error
        except DrainingError as error:
            self._reject("draining")
            raise Unavailable(
                "The service is stopping.", "Ask again; another process answers.", retry_after=SOON
            ) from error

    def _observe(self, served: ServedNet, rows: int, waits: Sequence[float], took: float) -> None:
        self._told(rows, max(waits), took)
        self.statistics.batch(served.model, served.version, rows, waits, took)

    async def close(self) -> None:
        """Answer what was taken, and stop."""
        await self._batcher.drain()
        self._executor.shutdown()
