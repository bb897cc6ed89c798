"""All attacks on what a net still knows of the deposited classes below its output."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from app.lirf.audits.relearn import RelearnConfig, relearn
from app.lirf.audits.student import DistilConfig, distil_student
from app.lirf.config import TrainConfig
from app.lirf.evaluation import accuracies, class_mask, logits
from app.lirf.networks import Network
from app.lirf.train import seed_everything
from experiments.reproduce.bench import Bench
from experiments.reproduce.measures.audited import Audited, audited, quick
from experiments.reproduce.measures.draws import balanced_rows, some_rows
from experiments.reproduce.measures.figures import BATCH
from experiments.reproduce.measures.reading import features_of, probe, prototypes
from experiments.reproduce.originals import empty
from experiments.reproduce.study import Cell, Measured, Row, Work

HELD = ("images", "draw")
"""Of an attack's arguments: which images the attacker holds. All others are settings of the audit."""


def attack(bench: Bench, cell: Cell) -> Measured:
    """The net that `audited` gives under every attack, as ``arguments`` say.

    ``probe``, ``prototypes`` (mean, std), ``relearn`` (steps, null if never; curve) and ``student`` (pre, dep,
    avg, probe), with ``attacker_images`` and ``attack_seconds`` by attack.
    """
    found = audited(bench, cell)
    seconds: dict[str, float] = {}
    with _timed(seconds, "features"):
        features = features_of(bench, found.net, cell.arguments)
    with _timed(seconds, "probe"):
        probed = probe(features)
    with _timed(seconds, "prototypes"):
        matched = prototypes(features, cell.arguments)
    with _timed(seconds, "relearn"):
        relearned = _relearn(bench, found, cell.arguments)
    with _timed(seconds, "student"):
        student, work = _student(bench, found.restored, cell.arguments)
    counts = {
        "probe": len(features.train),
        "relearn": relearned.pop("images"),
        "student": student.pop("images"),
    }
    figures = {
        "probe": probed,
        "prototypes": matched,
        "relearn": relearned,
        "student": student,
        "attacker_images": counts,
        "attack_seconds": seconds,
    }
    return found.measured(figures, (work,))


def _relearn(bench: Bench, found: Audited, arguments: Mapping[str, Any]) -> Row:
    asked = arguments["relearn"]
    rows = balanced_rows(bench.train, asked["images"], arguments["share"], asked["draw"])
    mask = class_mask(bench.test.labels, arguments["classes"])
    bench.watch("relearn", 0, 1)
    done = relearn(
        found.net,
        bench.spec,
        bench.train.images[rows],
        bench.train.labels[rows],
        bench.test.images[mask],
        bench.test.labels[mask],
        found.original_dep,
        RelearnConfig(**_settings(asked)),
        device=bench.device,
    )
    return {"steps": done.steps, "curve": [list(point) for point in done.curve], "images": len(rows)}


def _student(bench: Bench, teacher: Network, arguments: Mapping[str, Any]) -> tuple[Row, Work]:
    """A fresh network taught by the teacher's answers alone: its accuracies, and a probe on its features."""
    asked = arguments["student"]
    rows = some_rows(bench.train, asked["images"], arguments["share"], asked["draw"])
    config = TrainConfig(**asked["train"])
    seed_everything(config.seed)
    started = time.perf_counter()
    student = distil_student(
        teacher,
        empty(bench),
        bench.spec,
        bench.train.images[rows],
        DistilConfig(config, asked["temperature"]),
        device=bench.device,
        on_step=bench.on_step("distil a student"),
    )
    record = {
        "distilled": f"a student, from {len(rows)} images",
        "samples": {"student": len(rows) * config.epochs},
        "seconds": round(time.perf_counter() - started, 3),
        **bench.where,
    }
    student = quick(bench, student)
    answers = logits(student, bench.test.images, bench.spec, BATCH)
    mask = class_mask(bench.test.labels, arguments["classes"])
    figures = {
        **accuracies(answers, bench.test.labels, mask),
        "probe": probe(features_of(bench, student, arguments)),
        "images": len(rows),
    }
    return figures, Work(record, fresh=True)


def _settings(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name not in HELD}


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - started, 3)
