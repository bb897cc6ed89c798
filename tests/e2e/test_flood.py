"""More predictions at once than the service works on: each is answered, or told when to come back."""

import asyncio
import json
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from app.cli.demo.service import running_service
from app.client import LirfClient
from app.lirf.data.images import encode_png
from app.lirf.data.source import open_source

AT_ONCE = 64
MOST = 3000
RESERVE = 200
MIB = 1024 * 1024
IMAGES = open_source("digits", "test").images[:8]


@dataclass(frozen=True)
class Flooded:
    url: str
    key: str
    pid: int
    expected: list[str]


@pytest.fixture(scope="module")
def flooded(tmp_path_factory: pytest.TempPathFactory, weights: Callable[[], bytes]) -> Iterator[Flooded]:
    folder = str(Path(tmp_path_factory.mktemp("flood")))
    limits = {"LIRF_DATA_DIR": folder, "LIRF_PREDICTIONS_AT_ONCE": str(AT_ONCE)}
    with (
        running_service("--no-worker", **limits) as service,
        LirfClient(service.url, service.admin_key) as client,
    ):
        spec = {
            "name": "flooded",
            "architecture": "resnet20",
            "classes": [str(digit) for digit in range(10)],
            "input": {"channels": 1, "height": 8, "width": 8},
        }
        client.register_model(spec, weights())
        told = client.predict("flooded", [encode_png(image) for image in IMAGES], top_k=1)
        expected = [answer["top"][0]["label"] for answer in told]
        yield Flooded(service.url, service.admin_key, service.pid, expected)


@dataclass(frozen=True)
class Told:
    number: int
    status: int
    head: str
    body: str


async def ask(flooded: Flooded, number: int) -> Told:
    host, port = flooded.url.removeprefix("http://").split(":")
    image = encode_png(IMAGES[number % len(IMAGES)])
    head = (
        "POST /predict?model=flooded&top_k=1 HTTP/1.1\r\nHost: flood\r\nConnection: close\r\n"
        f"Authorization: Bearer {flooded.key}\r\nContent-Type: image/png\r\nContent-Length: {len(image)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(head.encode() + image)
        await writer.drain()
        answer = (await asyncio.wait_for(reader.read(), 60)).decode()
    finally:
        writer.close()
    told, _, body = answer.partition("\r\n\r\n")
    return Told(number, int(told[9:12]), told.lower(), body)


def test_thousands_in_flight_are_answered_or_told_when_to_come_back(flooded: Flooded) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(MOST, soft - RESERVE)
    process = psutil.Process(flooded.pid)
    before = process.memory_info().rss

    async def flood() -> list[Told]:
        return await asyncio.gather(*(ask(flooded, number) for number in range(count)))

    told = asyncio.run(flood())
    grown = process.memory_info().rss - before
    statuses = Counter(one.status for one in told)
    assert set(statuses) <= {200, 429, 503}, statuses
    assert statuses[200] >= AT_ONCE
    assert statuses[429] > 0
    for one in told:
        if one.status == 200:
            assert json.loads(one.body)["top"][0]["label"] == flooded.expected[one.number % len(IMAGES)]
        else:
            assert "error" in json.loads(one.body)
            assert "retry-after: " in one.head
    assert grown < 200 * MIB
    started = time.monotonic()
    assert httpx.get(f"{flooded.url}/readyz", timeout=10).status_code == 200
    assert time.monotonic() - started < 10


def test_who_hangs_up_leaves_room_for_the_others(flooded: Flooded) -> None:
    async def hang_up() -> None:
        asking = [asyncio.create_task(ask(flooded, number)) for number in range(AT_ONCE)]
        await asyncio.sleep(0.02)
        for task in asking[::2]:
            task.cancel()
        left = await asyncio.gather(*asking[1::2])
        assert {one.status for one in left} <= {200, 429}
        for one in left:
            if one.status == 200:
                assert json.loads(one.body)["top"][0]["label"] == flooded.expected[one.number % len(IMAGES)]

    asyncio.run(hang_up())
    answer = asyncio.run(ask(flooded, 0))
    assert answer.status == 200
    metrics = httpx.get(f"{flooded.url}/metrics").text
    assert "lirf_queue_images 0.0" in metrics
