import json
from pathlib import Path

import pytest

from experiments.demo_picture import draw
from experiments.demo_tables import NETS, Run, caption, insert, table
from experiments.record import Circumstances, circumstances, commit, write_record

DEMO = {
    "original": {"pre": 99.0, "dep": 98.0, "avg": 98.8},
    "target": {"pre": 98.0, "dep": 0.0, "avg": 78.4, "f": 98.0, "h": 98.0},
    "recover": {"pre": 98.5, "dep": 97.0, "avg": 98.2},
    "answers": {"ordinary": "target", "entitled": "recover", "after_end": "target"},
    "seconds": {"train": 12.3, "deposit": 4.56, "compose": 0.25},
    "details": {
        "rows_kept": {"pre": 97.5, "dep": 8.0, "h": 93.54},
        "module_bytes": 2048,
        "deposit_images": 285,
        "test_images": 359,
        "config": {"objective": "lirf+", "prune_ratio": 0.5, "seed": 7},
    },
}
TAKEN = Circumstances(
    "0123456789abcdef", {"processor": "P", "cores": 2, "memory_gib": 8.0, "load_before": 0.5}, {}
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    file = tmp_path / "demo.json"
    file.write_text(json.dumps(DEMO))
    return Run.read(file)


def test_both_figures_of_the_target_are_shown(run: Run) -> None:
    lines = table([run]).splitlines()
    assert lines[0] == "| net | Pre % | Dep % | F % | H % | Avg % |"
    assert lines[3] == "| target, as served | 98.00 | 0.00 | 98.00 | 98.00 | 78.40 |"
    assert lines[4] == "| target, with its sealed rows put back | 97.50 | 8.00 | 90.00 | 93.54 |  |"


def test_several_runs_are_told_apart(run: Run) -> None:
    assert [line.split(" | ")[0] for line in table([run, run]).splitlines()[2:]] == ["| demo"] * 8


def test_the_caption_names_what_a_figure_needs(run: Run) -> None:
    told = caption([run], TAKEN, "make demo")
    for needed in ("seed 7", "n = 359", "2 cores of P", "commit `0123456789`", "`make demo`", "`lirf+`"):
        assert needed in told


def test_only_its_section_of_a_document_changes() -> None:
    before = "above\n<!-- a:begin -->\nold\n<!-- a:end -->\nbelow"
    assert insert(before, "a", r"new \1") == "above\n<!-- a:begin -->\nnew \\1\n<!-- a:end -->\nbelow"
    with pytest.raises(ValueError, match="no section 'b'"):
        insert(before, "b", "new")


def test_the_picture_is_a_png(run: Run, tmp_path: Path) -> None:
    draw(run.nets, NETS, "Digits", tmp_path / "img" / "demo.png")
    assert (tmp_path / "img" / "demo.png").read_bytes().startswith(b"\x89PNG")


def test_a_record_names_commit_seed_hardware_and_versions(tmp_path: Path) -> None:
    write_record(tmp_path / "r.json", circumstances(), seed=3, command="c", notes="n", rows=[{"value": 1}])
    record = json.loads((tmp_path / "r.json").read_text())
    assert set(record) == {"commit", "hardware", "versions", "seed", "command", "notes", "rows"}
    assert record["commit"] == commit()
    assert record["hardware"]["cores"] >= 1
    assert record["versions"]["torch"]
