from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.lirf.config import DepositConfig
from experiments.reproduce.studies import load, pairs, table1
from experiments.reproduce.study import Cell, Measured, Row, Scope

STUDY = load("pairs")


def rows_of(scope: Scope) -> list[Row]:
    """Every cell's row without a figure but those of T0, and with the names that its deposit was told by."""
    names = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    return [
        {
            "method": cell.method,
            "setting": cell.setting,
            "seed": cell.seed,
            "works": [{"deposited": [",".join(names[index] for index in cell.arguments["classes"])]}],
            "original": {"pre": 91.5, "dep": 94.0, "avg": 92.0},
            "difference": {"avg": -1.25},
        }
        for cell in pairs.cells(scope)
    ]


def test_pairs_are_the_classes_in_twos_and_shares_are_those_of_table_1(scope: Scope) -> None:
    chosen = {cell.setting: cell.arguments["classes"] for cell in pairs.cells(scope)}
    assert list(chosen.values())[:4] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    published = {cell.setting: cell.arguments["classes"] for cell in table1.cells(scope)}
    assert {name: chosen[name] for name in ("10%", "30%", "50%")} == {
        name: published[name] for name in ("10%", "30%", "50%")
    }


def test_a_pair_that_the_data_lacks_or_that_is_all_of_it_is_not_run(scope: Scope) -> None:
    for classes, run in (("abcde", {"pair0-1", "pair2-3"}), ("ab", set())):
        cells = pairs.cells(replace(scope, classes=tuple(classes)))
        assert {cell.setting for cell in cells if "pair" in cell.setting and not cell.not_run} == run
    (reason,) = {cell.not_run for cell in cells if cell.setting == "pair2-3"}
    assert reason == "2 classes have no classes 2 and 3 that leave one to preserve"


def test_its_deposits_are_those_of_table_1(
    scope: Scope, measure: Callable[[Cell], Measured], made: list[DepositConfig]
) -> None:
    def cell_of(cells: list[Cell], key: str) -> Cell:
        return next(cell for cell in cells if cell.key == key)

    measure(cell_of(table1.cells(scope), "lirf+/20%/seed0"))
    before = len(made)
    measured = measure(cell_of(pairs.cells(scope), "lirf+/pair0-1/seed0"))
    assert len(made) == before
    row = measured.figures
    assert row["difference"]["avg"] == row["recover"]["avg"] - row["original"]["avg"]
    assert row["difference"]["avg"] != 0


def test_lines_bear_the_names_of_the_classes_and_numbers_where_nothing_was_run(
    scope: Scope, tmp_path: Path
) -> None:
    rows = [{**row, "not_run": "it rained"} if row["setting"] == "pair2-3" else row for row in rows_of(scope)]
    body = [line.split(" | ") for line in STUDY.table(STUDY, rows).splitlines()]
    labels = [line[0].strip("| ") for line in body if line[0].strip("| ")]
    assert labels[2:] == [
        "plane, car",
        "classes 2, 3",
        "deer, dog",
        "frog, horse",
        "10 %",
        "30 %",
        "50 %",
    ]
    original, lirf = body[2:4]
    assert original[1:5] == ["ours", "91.50", "94.00", "92.00"]
    assert lirf[1:3] == ["lirf", ""]
    assert "-1.25" in lirf
    STUDY.draw(STUDY, rows, tmp_path / "pairs.png")
    assert (tmp_path / "pairs.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("percent", [10, 30, 50])
def test_published_figures_stand_beside_the_shares_as_in_table_1(percent: int) -> None:
    theirs = {line.setting: line.paper for line in load("table1").lines}
    ours = [line.paper for line in STUDY.lines if line.setting == f"{percent}%" and line.paper]
    assert ours == [theirs[f"{percent}%"]]
    assert not any(line.paper for line in STUDY.lines if "pair" in line.setting)
