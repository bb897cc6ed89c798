"""Ask for known vulnerabilities of the pinned dependencies: `python -m security.audit`.

Fails on a vulnerability. Where the network does not answer it says so and passes, since that is no fault of the code.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--requirement", "constraints.txt", "--no-deps", "--disable-pip"),
    *("--format", "json", "--progress-spinner", "off", "--timeout", "5"),
)
PATIENCE_SECONDS = 90
VULNERABLE = 1


def main() -> int:
    try:
        done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        print("Dependencies were not audited: the advisory database did not answer in time.")
        return 0
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"Dependencies were not audited: {(done.stderr.splitlines() or ['no answer'])[-1]}")
        return 0
    found, told = verdict(dependencies)
    print(told)
    return VULNERABLE if found else 0


def verdict(dependencies: Iterable[dict[str, Any]]) -> tuple[list[str], str]:
    """The vulnerabilities in pip-audit's report, and what to say about it."""
    dependencies = list(dependencies)
    known = [one for one in dependencies if "skip_reason" not in one]
    found = [
        f"{one['name']} {one['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'no version'}"
        for one in known
        for fault in one.get("vulns", ())
    ]
    if not known:
        return [], "Dependencies were not audited: the index in use keeps no advisories."
    lines = [
        f"{len(known)} of {len(dependencies)} dependencies audited, {len(found)} vulnerabilities.",
        *found,
    ]
    return found, "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
