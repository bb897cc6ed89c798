import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from app.cli.main import cli, main
from app.lirf.networks import create, published_state
from experiments.reproduce import picture, run
from experiments.reproduce.session import Wish, command_of

Lirf = Callable[..., tuple[int, str]]
TINY = (
    "--data",
    "digits",
    "--train-epochs",
    "1",
    "--scale",
    "train=0.2,epochs=1",
    "--device",
    "cpu",
)


@pytest.fixture
def lirf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lirf:
    """Run `lirf reproduce …` in a folder of its own; its exit code and all it said, as one line."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["lirf", "reproduce", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, " ".join((said.out + said.err).split())

    return call


def test_a_study_is_run_from_end_to_end_and_the_second_time_from_what_is_done(
    lirf: Lirf, tmp_path: Path
) -> None:
    command = ("main-table1", *TINY, "--seeds", "0,1", "--method", "lirf")
    code, said = lirf(*command)
    assert code == 0, said
    assert "| Deposit | paper | 93.41 |" in said
    assert "lirf/30%/seed1: done in" in said
    record = json.loads((tmp_path / "experiments/results/main-table1.json").read_text())
    assert record["seed"] == [0, 1]
    assert record["command"] == (
        "lirf reproduce main-table1 --data digits --train-epochs 1 --seeds 0,1 "
        "--scale train=0.2,epochs=1 --method lirf"
    )
    rows = {(row["method"], row["seed"]): row for row in record["rows"]}
    assert rows["lirf", 0]["target"]["dep"] >= 0
    assert rows["lirf+", 0] == {**rows["lirf+", 0], "not_run": "left out by `--method lirf`"}
    assert rows["independent", 1]["not_run"] == "needs --independent"
    assert {row["scale"] for row in record["rows"]} == {"train=0.2,epochs=1"}
    page = (tmp_path / "experiments/results/main-table1.md").read_text()
    assert str(tmp_path) not in page + json.dumps(record)
    assert (tmp_path / "experiments/results/main-table1.png").read_bytes().startswith(b"\x89PNG")

    code, said = lirf(*command, "--list")
    assert code == 0
    assert "lirf/30%/seed0 done, commit" in said
    assert "2 of 6 cells are done." in said
    code, said = lirf(*command)
    assert code == 0
    assert "done in" not in said
    assert (
        json.loads((tmp_path / "experiments/results/main-table1.json").read_text())["rows"] == record["rows"]
    )


def test_a_run_that_ends_before_its_first_row_replaces_no_result(
    lirf: Lirf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "_attempt", interrupted)
    before = tmp_path / "experiments/results/table1.json"
    before.parent.mkdir(parents=True)
    before.write_text("before")
    code, said = lirf("table1", *TINY, "--seeds", "0")
    assert code == 130
    assert "Interrupted; the same command goes on where it stopped." in said
    assert "No cell is done, so no file is written." in said
    assert before.read_text() == "before"


def test_the_cells_are_listed_without_computing_any(lirf: Lirf, tmp_path: Path) -> None:
    code, said = lirf("table1", *TINY, "--seeds", "0", "--cells", "lirf/2*", "--list")
    assert code == 0
    assert "lirf/20%/seed0 to do" in said
    assert "lirf+/20%/seed0 left out by `--cells 'lirf/2*'`" in said
    assert "0 of 18 cells are done." in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("table9", "--data", "digits"), "study: There is no study 'table9'. Choose among table1, table2"),
        (("table1", "--data", "nowhere"), "dataset: There is no file or folder 'nowhere'."),
        (
            ("table1", "--data", "digits", "--method", "mine"),
            "method: There is no method 'mine'. Choose among",
        ),
        (
            ("table1", "--data", "digits", "--seeds", "one"),
            "seeds: 'one' is no list of numbers. Give e.g. 0,1,2.",
        ),
        (("table1", "--data", "digits", "--seeds", "1,1"), "seeds: '1,1' repeats a seed"),
        (("table1", "--data", "digits", "--scale", "half"), "scale: 'half' is not understood. Give full, or"),
        (
            ("table1", "--data", "digits", "--cells", "x"),
            "cells: No cell matches 'x'. Keys look like lirf/10%/seed0",
        ),
        (("table1", "--data", "digits", "--device", "abacus"), "device: 'abacus' cannot be used here."),
        (("table1", "--data", "digits", "--net", "resnet21"), 'architecture: "resnet21" is unknown.'),
    ],
)
def test_what_cannot_be_done_is_told_with_field_and_remedy(
    lirf: Lirf, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    code, said = lirf(*arguments)
    assert code == 1
    assert told in said
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_does_not_fit_names_the_option(lirf: Lirf, tmp_path: Path) -> None:
    file = tmp_path / "t0.th"
    torch.save({"state_dict": published_state(create("resnet32", 10, 1))}, file)
    code, said = lirf("table1", *TINY, "--weights", file, "--cells", "lirf/20%/*", "--seeds", "0")
    assert code == 1
    assert "weights: they do not fit the architecture" in said
    assert "Give a checkpoint of resnet20 for this data, or another --net." in said


def test_a_single_file_has_no_test_images(lirf: Lirf, tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"")
    code, said = lirf("table1", "--data", "train.parquet")
    assert code == 1
    assert "data: train.parquet is one file, which has no test images of its own. Give a folder" in said


def test_a_missing_matplotlib_is_told_before_anything_is_computed(
    lirf: Lirf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture, "find_spec", lambda _: None)
    code, said = lirf("table1", *TINY)
    assert code == 1
    assert "picture: matplotlib is not installed. Install it, or the extra `dev`" in said
    assert list(tmp_path.iterdir()) == []


def test_the_command_in_a_record_names_no_folder() -> None:
    wish = Wish(
        "table1",
        "some/where/cifar10",
        net="resnet32",
        weights=Path("else/where/t0.th"),
        cells="*/20%/*",
        independent=True,
        results=Path("r"),
        cache=Path("c"),
    )
    assert command_of(wish, "cifar10") == (
        "lirf reproduce table1 --data cifar10 --weights t0.th --net resnet32 --cells '*/20%/*' --independent"
    )


def test_help_lists_the_command_and_loads_no_torch() -> None:
    shown = CliRunner().invoke(cli, ["--help"])
    assert "reproduce" in shown.output
    code = (
        "import sys; sys.argv = ['lirf', 'reproduce', '--help']\n"
        "from app.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'matplotlib', 'pyarrow')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Reproduce a table or figure of the paper" in done.stdout
