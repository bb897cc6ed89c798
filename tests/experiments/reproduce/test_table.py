import statistics
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from experiments.record import Circumstances
from experiments.reproduce.bench import Bench
from experiments.reproduce.output import document
from experiments.reproduce.picture import bar_panels, line_panels, series
from experiments.reproduce.studies import load
from experiments.reproduce.study import Row
from experiments.reproduce.table import entries, markdown, value_at

TABLE1, MAIN = load("table1"), load("main-table1")
TAKEN = Circumstances("0123456789abcdef", {"processor": "P", "cores": 2, "memory_gib": 8.0}, {})


def row(method: str, setting: str, seed: int, value: float) -> Row:
    target = {"pre": value, "dep": 0.0, "h": value + 1, "pre_rows_kept": value}
    return {
        "method": method,
        "setting": setting,
        "seed": seed,
        "original": {"pre": 91.0, "dep": 94.0, "avg": 91.7},
        "target": target,
        "recover": {"pre": value - 1, "dep": 95.0, "avg": value},
        "seconds": {"training": 60.0, "evaluation": 60.0},
        "works": [{"commit": "fedcba9876543210"}],
        "device": "cpu",
        "threads": 1,
        "commit": "0123456789abcdef",
        "hardware": TAKEN.hardware,
    }


def not_run(method: str, setting: str, seed: int) -> Row:
    return {"method": method, "setting": setting, "seed": seed, "not_run": "it rained"}


ROWS = [
    row("lirf", "20%", 0, 88.0),
    row("lirf", "20%", 1, 90.0),
    row("lirf+", "20%", 0, 91.0),
    not_run("lirf+", "20%", 1),
    not_run("lirf", "30%", 0),
]


def lines_of(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_our_mean_and_deviation_stand_below_the_published_figure() -> None:
    head, _, *body = lines_of(markdown(TABLE1, ROWS))
    paper, ours, plus = (body[place] for place in (3, 4, 5))
    assert head[:3] == ["deposited", "", "target Pre"]
    assert paper[:5] == ["20 %", "paper", "93.97", "16.64", "86.30"]
    assert ours[:5] == [
        "",
        "lirf",
        f"89.00 ± {statistics.stdev([88, 90]):.2f}",
        "0.00 ± 0.00",
        "90.00 ± 1.41",
    ]
    assert ours[-1] == "2"
    assert plus[1:3] == ["lirf+", "91.00"]
    assert plus[-1] == "1 of 2"
    assert ours[head.index("oracle Avg")] == ""


def test_what_was_not_run_says_so_in_every_figure() -> None:
    body = lines_of(markdown(TABLE1, ROWS))
    (line,) = [cells for before, cells in pairwise(body) if before[0] == "30 %"]
    assert line == ["", "lirf", *["not run"] * 10, "not run"]


def test_the_original_is_one_line_whatever_the_method() -> None:
    found = [
        entry for entry in entries(MAIN, [row("lirf", "30%", 0, 80.0)]) if entry.line.labels == ("Original",)
    ]
    assert [(entry.who, entry.figures["Avg"].text()) for entry in found] == [
        ("paper", "94.06"),
        ("ours", "91.70"),
    ]


def test_the_picture_shows_the_figures_of_the_table(tmp_path: Path) -> None:
    shown = series(TABLE1, ROWS, "target Pre")
    assert shown["lirf"] == [(1, 89.0, statistics.stdev([88, 90]))]
    assert shown["lirf+"] == [(1, 91.0, None)]
    assert [mean for _, mean, _ in shown["paper"]] == [line.paper["target Pre"] for line in TABLE1.lines]
    assert "paper" not in series(TABLE1, ROWS, "rows back Pre")
    for draw, study in ((line_panels, TABLE1), (bar_panels, MAIN)):
        path = tmp_path / "made" / f"{study.name}.png"
        draw(replace(study, columns=study.columns[:2]), ROWS, path)
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("place", ["target.none", "none", "target.h.more", "method"])
def test_a_place_without_a_figure_is_empty(place: str) -> None:
    assert value_at(ROWS[0], place) is None


def test_the_page_tells_what_was_reduced_what_was_not_run_and_where_figures_come_from(bench: Bench) -> None:
    page = document(bench, TABLE1, ROWS, "lirf reproduce table1")
    for told in (
        "**Reduced: train=0.3,epochs=1.**",
        "supplement, Table 1",
        "n = 359 test images",
        "3 of 5 rows run, 6.0 minutes",
        "2 cores of P",
        "`0123456789`, `fedcba9876`",
        "`lirf reproduce table1`",
        "- it rained: `lirf+/20%` (seed 1), `lirf/30%` (seed 0)",
        "![How much is deposited](table1.png)",
        "*Rows back*",
    ):
        assert told in page
    assert "earlier version" not in page
    assert "1 rows hold" in document(bench, TABLE1, [{**ROWS[0], "other_code": True}], "c")
