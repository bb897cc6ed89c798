"""An environment for each rival, made when it is first asked for and again when its requirements change."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
RIVALS = ("litserve", "bentoml")
"""Each has requirements and a script here, settings and ways to start in `benchmarks.rivals.running`."""

STAMP = ".requirements-installed"


def requirements(name: str) -> Path:
    return FOLDER / f"requirements-{name}.txt"


def interpreter(name: str) -> Path:
    """The Python of ``.venv-NAME``, with everything installed; making it downloads some gigabytes.

    Raises:
        ValueError: no rival has this name.
        subprocess.CalledProcessError: pip failed, and has told why.
    """
    if name not in RIVALS:
        raise ValueError(f"{name!r} is no rival; choose among {', '.join(RIVALS)}")
    folder = ROOT / f".venv-{name}"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    stamp, wanted = folder / STAMP, hashlib.sha256(requirements(name).read_bytes()).hexdigest()
    if not python.exists() or not stamp.exists() or stamp.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = ["install", "--quiet", "--disable-pip-version-check", "--requirement"]
        subprocess.run([python, "-m", "pip", *install, requirements(name)], check=True)
        stamp.write_text(wanted)
    return python
