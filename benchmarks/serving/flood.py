"""10,000 predictions in flight at once: what each is told, how much memory that takes, how soon the service is well."""

import asyncio
import resource
import time
from collections import Counter
from typing import Any

import httpx
import psutil

from benchmarks.bank import MODEL, Bank

IN_FLIGHT = 10_000
RESERVE = 200
MIB = 2**20
ALLOWED = {200, 429, 503}


def flood(bank: Bank, count: int = IN_FLIGHT) -> dict[str, Any]:
    """Statuses by how many were told each, and what became of memory and health.

    Raises:
        ValueError: for an answer that is neither given, refused for now, nor unavailable.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + RESERVE, most), most))
    process = psutil.Process(bank.pid)
    before = process.memory_info().rss
    started = time.perf_counter()
    statuses = asyncio.run(_asked(bank, count))
    seconds = time.perf_counter() - started
    if set(statuses) - ALLOWED:
        raise ValueError(f"answers that should not be: {statuses}")
    started = time.perf_counter()
    httpx.get(f"{bank.url}/readyz", timeout=30).raise_for_status()
    return {
        "in_flight": count,
        "statuses": {str(status): number for status, number in sorted(statuses.items())},
        "seconds": round(seconds, 2),
        "grown_mib": round((process.memory_info().rss - before) / MIB, 1),
        "healthy_after_seconds": round(time.perf_counter() - started, 3),
    }


async def _asked(bank: Bank, count: int) -> Counter[int]:
    opened = asyncio.Barrier(count)
    return Counter(await asyncio.gather(*(_ask(bank, opened) for _ in range(count))))


async def _ask(bank: Bank, opened: asyncio.Barrier) -> int:
    """Connect, wait until all have, ask, and tell the status; 0 for a broken connection."""
    host, port = bank.url.removeprefix("http://").split(":")
    head = (
        f"POST /predict?model={MODEL}&top_k=1 HTTP/1.1\r\nHost: flood\r\nConnection: close\r\n"
        f"Authorization: Bearer {bank.keys['target']}\r\nContent-Type: image/png\r\n"
        f"Content-Length: {len(bank.image)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(host, int(port))
    await opened.wait()
    try:
        writer.write(head.encode() + bank.image)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(), 120)
    except OSError:
        return 0
    finally:
        writer.close()
    return int(answer[9:12] or 0)
