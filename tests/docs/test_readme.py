"""The README's quickstart is run as it stands, by bash and curl, against a real service."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from app.cli.demo.service import RunningService

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
SECONDS = 240


def quickstart(language: str) -> str:
    """All blocks of one language in the quickstart, joined."""
    section = (ROOT / "README.md").read_text().split("\n## Quickstart\n")[1].split("\n## ")[0]
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    return "".join(blocks)


@pytest.mark.skipif(not shutil.which("curl"), reason="the quickstart needs curl")
@pytest.mark.xdist_group("quickstart")
def test_the_quickstart_prints_what_it_says(
    start_service: Callable[..., AbstractContextManager[RunningService]],
) -> None:
    with start_service() as service:
        done = subprocess.run(
            ["bash", "-eu", "-c", quickstart("bash")],
            cwd=ROOT,
            env={**os.environ, "LIRF": service.url, "ADMIN": service.admin_key, "NO_PROXY": "127.0.0.1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    said, promised = done.stdout.splitlines(), quickstart("text").splitlines()
    told = [line for line, pattern in zip(said, promised, strict=False) if not _fits(line, pattern)]
    assert done.returncode == 0, done.stdout
    assert not told, f"{told} in:\n{done.stdout}"
    assert len(said) == len(promised), done.stdout


@pytest.mark.parametrize(
    "document",
    sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]),
)
def test_links_between_documents_lead_somewhere(document: str) -> None:
    path = ROOT / document
    targets = [target for target in LINK.findall(path.read_text()) if not target.startswith("mailto")]
    missing = [target for target in targets if not (path.parent / target).exists()]
    assert not missing


def _fits(line: str, pattern: str) -> bool:
    return fnmatchcase(line, pattern.replace("[", "[[]").replace("…", "*"))
