"""Attack the vault of a service and count what was refused: `python -m security --flips 120 --seed 0`."""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.db.session import Sessions, open_sessions
from security.attacks import attacks, places
from security.bank import Bank, running_bank
from security.report import Report
from security.siege import Siege


@contextmanager
def siege(folder: Path, report: Report) -> Iterator[tuple[Siege, Bank, Sessions]]:
    with running_bank(folder) as bank:
        service = open_sessions(bank.settings.database_url)
        key_store = open_sessions(bank.settings.key_store_url)
        bank.admin.roll_back("kept", 1)
        yield Siege(bank, service, key_store, report), bank, service
        key_store.close()
        service.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=120, help="flipped bits of chunks, and of wrapped keys")
    parser.add_argument("--seed", type=int, default=0, help="of the places that are attacked")
    options = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="lirf-security-") as folder, siege(Path(folder), report) as held:
        besieged, bank, service = held
        besieged.everybody_is_answered_as_before("before any attack")
        for attack in attacks(places(service, bank.deposits), bank.deposits, options.flips, options.seed):
            besieged.strike(attack)
        besieged.lose_the_key()
        besieged.everybody_is_answered_as_before("after all attacks")
        besieged.erase()
    report.tell()
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
