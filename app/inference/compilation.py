"""Graphs to parts at work, compiled by OpenVINO for the CPU."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import openvino as ov

from app.inference.lowering import NotLoweredError
from app.inference.parts import Lanes, Part


class Order(NamedTuple):
    """A graph to compile.

    Attributes:
        threads: that compute, in all streams together.
        streams: batches that run beside one another, each on threads that wait for it.
    """

    graph: ov.Model
    threads: int
    streams: int = 1


class Compilation:
    """Compiles graphs, at the same time where there are several, since most of compiling one is done by one thread.

    Its methods raise NotLoweredError for a graph that OpenVINO refuses.

    Args:
        threads: that may compile at the same time.
    """

    def __init__(self, threads: int) -> None:
        self._core = ov.Core()
        self._threads = threads

    def parts(self, *orders: Order) -> list[Part]:
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(self._part, orders))

    def lanes(self, graph: ov.Model, count: int, *beside: Order) -> tuple[Lanes, list[Part]]:
        """A graph for so many batches beside one another, and the parts of other orders."""
        with ThreadPoolExecutor(self._threads) as pool:
            copies = pool.submit(self._copies, graph, count)
            parts = list(pool.map(self._part, beside))
            return Lanes(copies.result()), parts

    def _copies(self, graph: ov.Model, count: int) -> list[Part]:
        """One for each thread that brings a batch and, as it has one stream and one thread, computes it itself.

        All but the first are read back from what OpenVINO writes of that: a quarter of the time of compiling it again.
        """
        order = Order(graph, threads=1)
        first = self._compiled(order)
        if count == 1:
            return [Part(first)]

        def copied(_: int) -> Part:
            return Part(self._core.import_model(io.BytesIO(written), "CPU", _settings(order)))

        with _refusals(), ThreadPoolExecutor(self._threads) as pool:
            written = first.export_model().getvalue()
            return [Part(first), *pool.map(copied, range(1, count))]

    def _part(self, order: Order) -> Part:
        return Part(self._compiled(order))

    def _compiled(self, order: Order) -> ov.CompiledModel:
        with _refusals():
            return self._core.compile_model(order.graph, "CPU", _settings(order))


@contextmanager
def _refusals() -> Iterator[None]:
    """What OpenVINO raises, as what the engine falls back to PyTorch for."""
    try:
        yield
    except RuntimeError as error:
        raise NotLoweredError(f"OpenVINO refused it: {error}") from error


def _settings(order: Order) -> dict[str, object]:
    return {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": order.threads,
        "ENABLE_CPU_PINNING": False,  # the cores are shared with decoding, and often with a worker
        "NUM_STREAMS": order.streams,
    }
