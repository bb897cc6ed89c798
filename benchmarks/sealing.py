"""What sealing costs: a 50 MB module through the vault, beside plain bytes through the same database.

`python -m benchmarks.sealing` writes ``results/sealing.json``. Both go into rows of 1 MiB of one SQLite file and come
back, in turns; the plain bytes are named by their SHA-256 and checked against it, as every artifact in the clear is.
Memory is the peak of this process above what it held before, tensors that come back not counted (Linux).
"""

import argparse
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from app.config import Settings
from app.db.migrate import upgrade
from app.db.repositories import artifacts as artifact_rows
from app.db.session import open_sessions
from app.vault import artifacts
from app.vault.opening import open_vault, prepare_vault
from app.vault.sealing import Label
from app.vault.tensor_stream import stream, stream_size, view_tensors
from app.vault.vault import Seal, Vault
from benchmarks.measure import summary, taking_turns
from experiments.record import circumstances, write_record

MB = 1_000_000
LABEL = Label("owner", "deposit", 1, "module")
NOTES = (
    "plain: store and load bytes. sealed: stream, seal, store, load, open and view tensors of as many bytes. Both go "
    "through one SQLite file, in turns; the ratio is that of the medians. Peak memory is above what the process held "
    "before; of loading, above the tensors that came back."
)


def main() -> None:
    options = _options()
    taken = circumstances()
    with tempfile.TemporaryDirectory(prefix="lirf-bench-", dir=options.folder) as folder:
        vault = _vault(Path(folder))
        tensors = _module(options.megabytes * MB, options.seed)
        _sealed(vault, tensors)  # so that what is loaded once is not counted
        seconds = taking_turns(
            {
                "plain": lambda: _plain(vault, options.megabytes * MB),
                "sealed": lambda: _sealed(vault, tensors),
            },
            options.repeats,
        )
        peaks = _peaks(vault, tensors)
        vault.close()
        vault.sessions.close()
    ratio = statistics.median(seconds["sealed"]) / statistics.median(seconds["plain"])
    given = f"--megabytes {options.megabytes} --repeats {options.repeats} --seed {options.seed}"
    write_record(
        options.json,
        taken,
        seed=options.seed,
        command=f"python -m benchmarks.sealing {given}",
        notes=NOTES,
        rows=[{"through": name, "seconds": summary(values)} for name, values in seconds.items()],
        further={"ratio": round(ratio, 3), "peak_megabytes": peaks, "megabytes": options.megabytes},
    )
    print(f"sealed took {ratio:.2f} times as long as plain; peak memory in MB: {peaks}")


def _vault(folder: Path) -> Vault:
    settings = Settings(data_dir=folder)
    sessions = open_sessions(settings.database_url)
    upgrade(sessions)
    vault = open_vault(settings, sessions)
    prepare_vault(settings, vault)
    return vault


def _module(size: int, seed: int) -> dict[str, Tensor]:
    """Tensors like those of a module: many of a few megabytes."""
    chance = torch.Generator().manual_seed(seed)
    each, count = size // 16 // 4, 16
    return {f"layer{number}.weight": torch.randn(each, generator=chance) for number in range(count)}


def _plain(vault: Vault, size: int) -> float:
    data = secrets.token_bytes(size)
    started = time.perf_counter()
    digest = artifacts.store(vault.sessions, data)
    back = artifacts.load(vault.sessions, digest)
    seconds = time.perf_counter() - started
    if back != data:
        raise AssertionError("the plain bytes came back changed")
    _delete(vault)
    return seconds


def _sealed(vault: Vault, tensors: dict[str, Tensor]) -> float:
    started = time.perf_counter()
    seal = Seal(vault.new_key(), LABEL)
    name = vault.put_pieces(stream(tensors), stream_size(tensors), seal)
    back = view_tensors(vault.get(name, seal))
    seconds = time.perf_counter() - started
    if not all(torch.equal(back[one], tensor) for one, tensor in tensors.items()):
        raise AssertionError("the sealed tensors came back changed")
    _delete(vault)
    return seconds


def _peaks(vault: Vault, tensors: dict[str, Tensor]) -> dict[str, float]:
    """Peak memory of storing and of loading, in MB."""
    seal, names, back = Seal(vault.new_key(), LABEL), [], []
    size = stream_size(tensors)
    storing = _peak_of(lambda: names.append(vault.put_pieces(stream(tensors), size, seal)))
    loading = _peak_of(lambda: back.append(view_tensors(vault.get(names[0], seal))))
    return {"storing": round(storing / MB, 1), "loading": round((loading - size) / MB, 1)}


def _peak_of(work: Callable[[], object]) -> int:
    """How far the resident memory rose above what it was, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _status("VmRSS")
    work()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def _delete(vault: Vault) -> None:
    with vault.sessions.write() as session:
        artifact_rows.delete_unreferenced(session)
    vault.sessions.scrub()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the database lies while it is measured")
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "sealing.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
