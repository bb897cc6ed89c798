"""Send malformed requests and files to a service: `python -m security.fuzz --examples 60 --files 11000 --seed 0`."""

import argparse
import sys
import tempfile
from pathlib import Path

from app.db.session import open_sessions
from security.fuzz.contract import fuzz_contract
from security.fuzz.files import fuzz_files, warm_up
from security.fuzz.memory import ResidentMemory, watched
from security.fuzz.residue import Residue
from security.fuzz.tally import Tally
from security.fuzz.target import Target, running_target

CALLERS = ("owner", "member", "admin")
MOST_MIB = 200
"""What the service's process may take beyond what it has after a first file of each kind."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--examples", type=int, default=60, help="per operation of the schema, caller and kind of data"
    )
    parser.add_argument("--files", type=int, default=11_000, help="damaged and forged files")
    parser.add_argument(
        "--callers", nargs="+", choices=CALLERS, default=CALLERS, help="who sends what the schema says"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="lirf-fuzz-") as folder, running_target(Path(folder)) as target:
        memory = _fuzzed(target, options, tally)
    tally.tell()
    print(
        f"resident memory: {memory.start:.0f} MiB at first, {memory.peak:.0f} at most, {memory.end:.0f} at the end"
    )
    print(*tally.wrong[:50], sep="\n")
    print(f"{tally.sent:,} requests, {len(tally.wrong)} wrong.")
    return 1 if tally.wrong else 0


def _fuzzed(target: Target, options: argparse.Namespace, tally: Tally) -> ResidentMemory:
    service, key_store = (
        open_sessions(target.settings.database_url),
        open_sessions(target.settings.key_store_url),
    )
    answer = target.target_answer()
    warm_up(target)
    residue = Residue(service, key_store, target.temporary)
    with watched(target.pid) as memory:
        fuzz_files(target, options.files, options.seed, tally)
        for caller in options.callers:
            fuzz_contract(target, caller, options.examples, options.seed, tally)
        memory.look()
    if target.target_answer() != answer:
        tally.wrong.append("the target net no longer answers as before")
    tally.wrong += residue.left(tally.told)
    if memory.peak - memory.start > MOST_MIB:
        tally.wrong.append(
            f"resident memory grew by {memory.peak - memory.start:.0f} MiB, more than {MOST_MIB}"
        )
    key_store.close()
    service.close()
    return memory


if __name__ == "__main__":
    sys.exit(main())
