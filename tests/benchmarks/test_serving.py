"""What `make bench-serving` says of its figures, and the crowd that it brings."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from sqlalchemy import func, select, text

from app.config import Settings
from app.db.migrate import upgrade
from app.db.models import Artifact, Dataset, Deposit, Grant, Job, Model, Principal
from app.db.repositories import rights
from app.db.session import open_sessions
from app.inference.engine import Engine, ServedNet
from benchmarks.load import Outcome
from benchmarks.serving import crowd, rivals
from benchmarks.serving.engine import recover_net
from benchmarks.serving.lanes import on_all_lanes
from benchmarks.serving.page import page
from benchmarks.serving.picture import draw
from benchmarks.serving.quiet import family, quiet
from benchmarks.subject import SPEC, random_images

Json = dict[str, Any]


def row(system: str, clients: int, rps: float, p99_ms: float) -> Json:
    return {
        "system": system,
        "clients": clients,
        "rps": rps,
        "p50_ms": 1.0,
        "p99_ms": p99_ms,
        "errors": 0,
        "repeats": [rps],
    }


ROWS = [
    line
    for clients in rivals.CLIENTS
    for line in (
        row("lirf target", clients, 300.0, 9.0),
        row("lirf recover", clients, 200.0, 9.5),
        row("litserve", clients, 100.0, 20.0),
        row("bentoml", clients, 120.0, 30.0),
    )
]


def test_the_ratio_is_that_to_the_better_rival_and_the_p99_that_of_the_steadier() -> None:
    found = rivals.ratios(ROWS)
    assert [one["clients"] for one in found] == list(rivals.CLIENTS)
    assert {(one["rps"], one["better_rival"], one["lowest_rival_p99_ms"]) for one in found} == {
        (2.5, "bentoml", 20.0)
    }


def test_systems_take_turns_rivals_start_anew_and_medians_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[str, int]] = []
    rates = iter([5.0, 50.0, 7.0, 70.0, 6.0, 60.0])

    def told(order: Any, _body: Path) -> Outcome:
        asked.append(order)
        return Outcome(next(rates), 1.0, 2.0, 10, 1, {"broken": 1})

    monkeypatch.setattr(rivals, "load_apart", told)
    monkeypatch.setattr(rivals, "CLIENTS", (4,))
    starts = []

    quiet: list[set[str]] = []
    monkeypatch.setattr(rivals, "quiet", lambda processes: quiet.append(set(processes)) or nullcontext())

    def contestant(name: str) -> Any:
        return rivals.Contestant(lambda clients, _seconds: (name, clients), lambda: [f"{name}'s"])

    @contextmanager
    def others() -> Iterator[Any]:
        starts.append(1)
        yield {"fast": contestant("fast")}

    rows = rivals.compare({"slow": contestant("slow")}, others, tmp_path / "image.png", 1.0, 3)
    assert len(starts) == 3
    assert asked == [("slow", 4), ("fast", 4)] * 3
    assert quiet == [{"fast's"}, {"slow's"}] * 3
    assert [(one["system"], one["rps"], one["errors"]) for one in rows] == [
        ("slow", 6.0, 3),
        ("fast", 60.0, 3),
    ]


@pytest.fixture
def record() -> Json:
    summary = {"median": 10.0, "repeats": [10.0]}
    return {
        "seed": 7,
        "commit": "0123456789abcdef",
        "command": "python -m benchmarks.serving",
        "notes": "Notes.",
        "hardware": {"cores": 2, "processor": "P", "memory_gib": 4.0, "load_before": 0.1},
        "versions": {"torch": "2"},
        "rows": ROWS,
        "ratios": rivals.ratios(ROWS),
        "engine": [{"batch": 1, "eager": summary, "engine": summary, "times_eager": 4.25}],
        "recover": [
            {"deposits": m, "batch": batch, "images_per_second": summary, "times_target": 1 + m / 2}
            for batch in (1, 64)
            for m in range(3)
        ],
        "limit": {
            "batch": 64,
            "clients": 2,
            "v2_images_per_second": 3000.0,
            "engine_images_per_second": 3333.0,
            "share": 0.9,
            "engine_p50_ms": 0.4,
            "overhead_ms": 0.9,
        },
        "cold": [{"architecture": "resnet20", "seconds": {"median": 0.25, "repeats": [0.25]}}],
        "rights": {
            "grants": 100_000,
            "deposits": 1_000,
            "few": {"p50_ms": 1.0, "first_after_decision_ms": 9.0},
            "many": {"p50_ms": 1.01, "first_after_decision_ms": 10.0},
            "p50_ratio": 1.01,
        },
        "flood": {
            "in_flight": 10_000,
            "statuses": {"200": 1024, "429": 8976},
            "seconds": 5.0,
            "grown_mib": 90.0,
            "healthy_after_seconds": 0.05,
        },
    }


def test_the_page_tells_every_figure_and_its_circumstances(record: Json) -> None:
    text = page(record)
    for told in (
        "| lirf target | 32 | 300.0 | 300 | 1.0 | 9.0 | 0 |",
        "| 32 | 2.5 | bentoml | 9.0 | 20.0 |",
        "| 1 | 10.0 | 10.0 | 4.25 |",
        "| 2 | 64 | 10.0 | 2.0 |",
        "90% of the bare engine's 3,333",
        "adds 0.90 ms to the engine's 0.40 ms",
        "resnet20 250 ms",
        "1.01 times",
        "1,024 × 200, 8,976 × 429",
        "Seed 7; 2 cores of P, 4 GiB",
        "commit `0123456789`",
    ):
        assert told in text


def test_the_picture_is_drawn(record: Json, tmp_path: Path) -> None:
    draw(record, tmp_path / "serving.png")
    assert (tmp_path / "serving.png").read_bytes().startswith(b"\x89PNG")


def test_a_recover_net_of_so_many_deposits_has_so_many_branches() -> None:
    assert [len(recover_net(0, deposits).branches) for deposits in (0, 2)] == [0, 2]


def test_the_crowd_is_in_the_database_and_expiries_are_found_by_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd, "GRANTS", 200)
    monkeypatch.setattr(crowd, "DEPOSITS", 10)
    monkeypatch.setattr(crowd, "ROWS_AT_ONCE", 50)
    sessions = open_sessions(Settings(data_dir=tmp_path).database_url)
    upgrade(sessions)
    with sessions.write() as session:
        session.add(Principal(id="prn_1", name="olga", role="owner"))
        session.add(Artifact(digest="0" * 64, size=0))
        session.flush()
        session.add(
            Model(
                id="mdl_1",
                name="m",
                owner_id="prn_1",
                architecture="resnet20",
                classes=["a", "b"],
                input_spec={},
                split=1,
            )
        )
        session.add(
            Dataset(
                id="dst_1",
                name="d",
                owner_id="prn_1",
                source="upload",
                rows=1,
                image_shape=[1, 8, 8],
                classes=["a"],
                columns=[],
                pixels_digest="0" * 64,
                index_digest="0" * 64,
            )
        )
        session.flush()
        session.add(Job(id="job_1", kind="deposit", model_id="mdl_1", owner_id="prn_1", payload={}))
        session.flush()
        session.add(
            Deposit(
                model_id="mdl_1",
                owner_id="prn_1",
                job_id="job_1",
                dataset_id="dst_1",
                selector={},
                set_digest="0" * 64,
                set_size=1,
                config={},
            )
        )
    crowd.crowd(tmp_path)
    with sessions.read() as session:
        assert session.scalar(select(func.count()).select_from(Grant)) == 200
        assert session.scalar(select(func.count()).select_from(Deposit)) == 11
        assert rights.next_expiry(session, "mdl_1") is None
        plan = session.execute(
            text("EXPLAIN QUERY PLAN SELECT min(expires_at) FROM grants WHERE expires_at > 5")
        ).all()
        assert "ix_grants_expires_at" in str(plan)
    sessions.close()


def test_processes_stand_still_for_the_time_of_a_block() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        (found,) = family(process.pid)

        def comes_to(stopped: bool) -> bool:  # noqa: FBT001  a signal takes a moment
            end = time.monotonic() + 10
            while (found.status() == psutil.STATUS_STOPPED) != stopped and time.monotonic() < end:
                time.sleep(0.01)
            return (found.status() == psutil.STATUS_STOPPED) == stopped

        with quiet([found]):
            assert comes_to(stopped=True)
        assert comes_to(stopped=False)
        process.kill()


def test_lanes_answer_a_batch_in_its_order() -> None:
    engine = Engine(threads=2)
    served = ServedNet(engine.prepare(recover_net(0, 1), SPEC))
    images = random_images(40, 0).numpy()
    told = on_all_lanes(engine, served)(images)
    assert np.allclose(told, engine.answer(served, images), atol=1e-5)
