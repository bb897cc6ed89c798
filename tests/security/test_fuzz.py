"""`make fuzz` in short, and that each of its checks can fail."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.db.models import Artifact, Principal
from app.db.session import Sessions
from app.vault.vault import Vault
from security.fuzz.mutations import PNG_MAGIC, with_right_checksums
from security.fuzz.residue import Residue
from security.fuzz.seeds import images
from security.fuzz.tally import Tally


def test_malformed_requests_and_files_are_refused_and_leave_nothing() -> None:
    command = [
        sys.executable,
        "-m",
        "security.fuzz",
        "--examples",
        "1",
        "--files",
        "200",
        "--callers",
        "owner",
    ]
    done = subprocess.run([*command, "--seed", "1"], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith("requests, 0 wrong.")
    for kind in ("damaged images", "ZIP bombs", "contract, owner"):
        assert kind in done.stdout


def test_a_server_error_and_a_missing_answer_are_wrong_and_a_refusal_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tally = Tally()
    tally.answered("kind", "GET /", 422, "req_a", b'{"id": "dst_a"}')
    assert not tally.wrong
    tally.answered("kind", "GET /", 503, "req_b", b"down")
    tally.unanswered("kind", "GET /", "reset")
    tally.tell()
    assert tally.wrong == ["kind: GET / was answered 503: b'down'", "kind: GET / was not answered: reset"]
    assert tally.sent == 3
    assert "503" in capsys.readouterr().out


def test_what_successful_answers_name_is_told() -> None:
    tally = Tally()
    answer = {"id": "mdl_a", "versions": [{"id": "ver_a"}], "job": None}
    tally.answered("kind", "POST /models", 201, "req_a", json.dumps(answer).encode())
    tally.answered("kind", "POST /models", 409, "req_b", b'{"id": "mdl_b"}')
    assert tally.told == {"req_a", "mdl_a", "ver_a"}


def test_rows_artifacts_and_files_that_no_answer_names_are_found(vault: Vault, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    residue = Residue(vault.sessions, vault.key_store, temporary)
    assert residue.left(set()) == []
    _add(vault.sessions, Principal(id="prn_a", name="nora", role="member"), Artifact(digest="0" * 64, size=1))
    vault.new_key()
    (temporary / "upload").write_text("bytes")
    left = residue.left(set())
    assert [found.split(":")[0] for found in left] == [
        "a row of principals that no answer names",
        "a data key for nothing",
        "a temporary file",
        "1 artifacts that nothing refers to",
    ]
    assert not any("principals" in found for found in residue.left({"nora"}))


def test_a_png_of_damaged_chunks_gets_right_checksums() -> None:
    png = images().files[0]
    assert png.startswith(PNG_MAGIC)
    assert with_right_checksums(png) == png
    broken = png[:40] + bytes([png[40] ^ 1]) + png[41:]
    mended = with_right_checksums(broken)
    assert mended[:41] == broken[:41]
    assert mended != broken


def _add(sessions: Sessions, *rows: object) -> None:
    with sessions.write() as session:
        session.add_all(rows)
