"""The same prediction with one grant in the database, and with 100,000 grants and 1,000 deposits."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import insert, inspect, select

from app.config import Settings
from app.db.models import Deposit, Grant, Principal
from app.db.session import open_sessions
from benchmarks.bank import MODEL, Bank
from benchmarks.load import load_apart
from benchmarks.load_clients import Order
from benchmarks.serving.rivals import own_orders

GRANTS = 100_000
DEPOSITS = 1_000
ROWS_AT_ONCE = 5_000
ROUNDS = 5


def with_many_rights(bank: Bank, image: Path, seconds: float) -> dict[str, Any]:
    """p50 of a prediction by the recover net before and after, and the time of the first one after a decision."""
    order = own_orders(bank)["lirf recover"](1, seconds)
    few = _measured(bank, order, image)
    crowd(bank.folder)
    many = _measured(bank, order, image)
    return {
        "grants": GRANTS,
        "deposits": DEPOSITS,
        "few": few,
        "many": many,
        "p50_ratio": round(many["p50_ms"] / few["p50_ms"], 3),
    }


def crowd(folder: Path) -> None:
    """Add rows like those that are there, as if 1,000 deposits had been made and 100,000 rights granted."""
    sessions = open_sessions(Settings(data_dir=folder).database_url)
    with sessions.write() as session:
        pattern = session.scalars(select(Deposit)).first()
        principal = session.scalars(select(Principal.id)).first()
        if pattern is None or principal is None:
            raise LookupError("the bank has no deposit to copy")
        columns = {column.key: getattr(pattern, column.key) for column in inspect(Deposit).columns}
        ids = [f"dep_{secrets.token_hex(10)}" for _ in range(DEPOSITS)]
        session.execute(insert(Deposit), [columns | {"id": one} for one in ids])
        for rows in _batches(ids, principal):
            session.execute(insert(Grant), rows)
    sessions.close()


def _batches(deposits: list[str], principal: str) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, GRANTS, ROWS_AT_ONCE):
        yield [
            {"principal_id": principal, "granted_by": principal, "deposit_id": deposits[row % DEPOSITS]}
            for row in range(start, start + ROWS_AT_ONCE)
        ]


def _measured(bank: Bank, order: Order, image: Path) -> dict[str, float]:
    outcomes = sorted((load_apart(order, image) for _ in range(3)), key=lambda one: one.p50_ms)
    return {"p50_ms": outcomes[1].p50_ms, "first_after_decision_ms": _first_after_decision(bank)}


def _first_after_decision(bank: Bank) -> float:
    """Milliseconds; a new key makes the service forget what it knew of rights."""
    taken = []
    with httpx.Client(base_url=bank.url, timeout=60) as client:
        for number in range(ROUNDS):
            made = client.post(
                "/keys",
                json={"principal": f"crowd{number}", "role": "member"},
                headers={"Authorization": f"Bearer {bank.admin_key}"},
            )
            made.raise_for_status()
            started = time.perf_counter()
            client.post(
                "/predict",
                params={"model": MODEL},
                content=bank.image,
                headers={"Authorization": f"Bearer {bank.keys['recover']}", "Content-Type": "image/png"},
            ).raise_for_status()
            taken.append(time.perf_counter() - started)
    return round(sorted(taken)[ROUNDS // 2] * 1000, 2)
