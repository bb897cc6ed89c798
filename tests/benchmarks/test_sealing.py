"""The benchmark of sealing runs, compares like with like, and writes what it saw."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import sealing


def test_it_writes_both_ways_their_ratio_and_the_peaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "sealing.json"
    monkeypatch.setattr(
        sys, "argv", ["sealing", "--megabytes", "3", "--repeats", "3", "--seed", "1", "--json", str(out)]
    )
    sealing.main()
    record = json.loads(out.read_text())
    assert [row["through"] for row in record["rows"]] == ["plain", "sealed"]
    assert all(len(row["seconds"]["repeats"]) == 3 for row in record["rows"])
    plain, sealed = (row["seconds"]["median"] for row in record["rows"])
    assert record["ratio"] == pytest.approx(sealed / plain, rel=0.1)
    assert record["command"] == "python -m benchmarks.sealing --megabytes 3 --repeats 3 --seed 1"
    assert 0 <= record["peak_megabytes"]["storing"] < 20
