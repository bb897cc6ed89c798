"""`make security` in short: it attacks a real service, and it can fail."""

import subprocess
import sys

import pytest

from security.report import Report


def test_every_attack_on_a_running_service_is_refused() -> None:
    command = [sys.executable, "-m", "security", "--flips", "3", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip().endswith("checks, 0 wrong.")
    for kind in ("two chunks are swapped", "the keyring is lost", "a deposit is erased"):
        assert kind in done.stdout


def test_an_answer_that_is_not_the_right_one_is_counted_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()
    report.expect("a bit is flipped", "refused", (503, "damaged"), (503, "damaged"))
    report.expect("a bit is flipped", "refused", (200, None), (503, "damaged"))
    report.tell()
    told = capsys.readouterr().out
    assert "1 / 2" in told
    assert "a bit is flipped, refused: (200, None) instead of (503, 'damaged')" in told
    assert told.strip().endswith("2 checks, 1 wrong.")
