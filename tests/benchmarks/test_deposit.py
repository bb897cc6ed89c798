import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import deposit
from benchmarks.contestants import contestants
from benchmarks.subject import Subject


def test_one_run_writes_loops_ratios_the_whole_deposit_and_what_is_not_measured(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(seed: int) -> dict[str, object]:
        loops = contestants(seed, batch_size=4, min_steps=1)
        return {name: replace(loop, config=replace(loop.config, epochs=1)) for name, loop in loops.items()}

    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
    monkeypatch.setattr(deposit, "contestants", small)
    monkeypatch.setattr(deposit, "random_subject", lambda _: subject)
    path = tmp_path / "deposit.json"
    given = {"--seconds": 0, "--repeats": 1, "--json": path, "--retraining": tmp_path / "none.json"}
    deposit.main([str(part) for pair in given.items() for part in pair])
    record = json.loads(path.read_text())
    assert [row["loop"] for row in record["rows"]] == ["lirf+", "lirf", "naive", "naive-by-term", "naive+"]
    assert all(len(row["steps_per_second"]["repeats"]) == 1 for row in record["rows"])
    assert {"lirf against naive", "lirf+ against naive", "lirf+ against naive+"} <= {
        f"{one['loop']} against {one['against']}" for one in record["ratios"]
    }
    assert record["whole_deposit"]["samples"] == 2 * 32
    assert record["retraining"]["measured"] is False
    assert record["setting"]["deposit_images"] == 32
    assert record["setting"]["threads"] == torch.get_num_threads()


def test_the_command_of_a_record_names_no_folder() -> None:
    options = deposit.options_of(["--data", "/a/photos", "--weights", "/b/net.th", "--steps-only"])
    assert deposit.command_of(options).endswith(
        "--data photos --weights net.th --classes airplane,automobile --steps-only"
    )


def test_data_without_weights_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        deposit.options_of(["--data", "photos"])
    assert "--data and --weights belong together" in capsys.readouterr().err
