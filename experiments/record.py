"""What every published figure names: the commit, the machine and the versions it was measured with."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ("app", "workers", "migrations", "benchmarks", "experiments", "constraints.txt")
RESULTS = (":(exclude)benchmarks/results", ":(exclude)experiments/results")
"""What measurements write does not change what is measured."""
PACKAGES = ("torch", "torchvision", "torch-pruning", "fastapi", "uvicorn", "sqlalchemy", "celery")


@dataclass(frozen=True)
class Circumstances:
    """Where a measurement was taken.

    Attributes:
        commit: the code's full hash, with ``+changes`` if files that matter differed from it.
        hardware: processor, usable cores, memory, and the one-minute load when the measurement began.
        versions: Python and the libraries that decide speed.
    """

    commit: str
    hardware: dict[str, Any]
    versions: dict[str, str]


def circumstances() -> Circumstances:
    return Circumstances(commit(), hardware(), versions())


def commit() -> str:
    head = _git("rev-parse", "HEAD")
    changed = head and _git("status", "--porcelain", "--untracked-files=no", "--", *MEASURED, *RESULTS)
    return (head or "unknown") + ("+changes" if changed else "")


def hardware() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def write_record(
    path: Path,
    taken: Circumstances,
    *,
    seed: int | list[int],
    command: str,
    notes: str,
    rows: Sequence[dict[str, Any]],
    further: Mapping[str, Any] | None = None,
) -> None:
    """Write a result file in the form that all of them share; with several seeds each row names its own.

    What follows from the rows, or is none of them, stands in blocks of its own: ``further``, by name.
    """
    content = {**asdict(taken), "seed": seed, "command": command, "notes": notes, "rows": list(rows)}
    content |= further or {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def describe_hardware(machine: dict[str, Any]) -> str:
    return f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']:.0f} GiB"


def describe_taken(record: dict[str, Any]) -> str:
    """Under which circumstances a record's figures were measured, and by which command."""
    machine = record["hardware"]
    return (
        f"Seed {record['seed']}; {describe_hardware(machine)}, load {machine['load_before']} from other work; "
        f"torch {record['versions']['torch']}; commit `{record['commit'][:10]}`; "
        f"`{record['command']}`. {record['notes']}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _git(*arguments: str) -> str:
    """Git's answer, or nothing outside a repository."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
