"""What the tests of batching share."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from .held_engine import Engine


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """It does not run: futures belong to it."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool
