from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.lirf.config import DepositConfig
from app.lirf.errors import InvalidInputError
from experiments.reproduce import run as run_module
from experiments.reproduce.bench import Bench
from experiments.reproduce.cache import Cache
from experiments.reproduce.measures.several_sets import NotIdenticalError
from experiments.reproduce.originals import original_digest
from experiments.reproduce.run import Choice, found, run, waiting
from experiments.reproduce.studies import load, table1
from experiments.reproduce.study import Cell, Measured, Row, Scope

STUDY = load("table1")
CHOICE = Choice(pattern="*/20%/*")


def silent(cell: Cell, what: str) -> None:
    """Watch nothing."""


def cell_of(scope: Scope, key: str) -> Cell:
    (found_cell,) = [cell for cell in table1.cells(scope) if cell.key == key]
    return found_cell


def by_key(rows: list[Row]) -> dict[str, Row]:
    return {f"{row['method']}/{row['setting']}/seed{row['seed']}": row for row in rows}


@pytest.fixture
def two_seeds(scope: Scope) -> list[Cell]:
    return table1.cells(replace(scope, seeds=(0, 1)))


def interrupting(after: int) -> Callable[[Cell, str], None]:
    told: list[str] = []

    def tell(cell: Cell, _: str) -> None:
        told.append(cell.key)
        if len(told) == after:
            raise KeyboardInterrupt

    return tell


def test_an_interrupted_run_goes_on_where_it_stopped(
    fresh: Bench, two_seeds: list[Cell], made: list[DepositConfig]
) -> None:
    before = run(fresh, STUDY, two_seeds, CHOICE, interrupting(after=3))
    assert before.interrupted
    assert [(config.objective, config.seed) for config in made] == [("lirf", 0), ("lirf+", 0), ("lirf", 1)]
    unfinished = by_key(before.rows)["lirf+/20%/seed1"]
    assert unfinished["not_run"] == "interrupted before it was done"

    after = run(fresh, STUDY, two_seeds, CHOICE, silent)
    assert not after.interrupted
    assert [(config.objective, config.seed) for config in made[3:]] == [("lirf+", 1)]
    done, now = by_key(before.rows), by_key(after.rows)
    assert "not_run" not in now.pop("lirf+/20%/seed1")
    assert now == {key: row for key, row in done.items() if key != "lirf+/20%/seed1"}

    made.clear()
    third = run(fresh, STUDY, two_seeds, CHOICE, silent)
    assert third.rows == after.rows
    assert made == []


def test_what_was_left_out_is_a_row_and_what_is_done_is_shown_whatever_is_chosen(
    bench: Bench, scope: Scope
) -> None:
    cells = table1.cells(scope)
    run(bench, STUDY, cells, Choice(("lirf",), "*/20%/*"), silent)
    rows = by_key(run(bench, STUDY, cells, Choice(("lirf+",), "*/10%/*"), silent).rows)
    assert len(rows) == len(cells) == 18
    assert "not_run" not in rows["lirf/20%/seed0"]
    assert "not_run" not in rows["lirf+/10%/seed0"]
    assert rows["lirf/30%/seed0"]["not_run"] == "left out by `--method lirf+`"
    assert rows["lirf+/30%/seed0"]["not_run"] == "left out by `--cells '*/10%/*'`"
    for row in rows.values():
        assert row["scale"] == "train=0.3,epochs=1"
        assert {"method", "setting", "net", "seed"} <= row.keys()


def test_a_row_names_everything_that_it_is_worth_nothing_without(bench: Bench, scope: Scope) -> None:
    (row,) = run(bench, STUDY, [cell_of(scope, "lirf+/20%/seed0")], CHOICE, silent).rows
    assert row["config"]["objective"] == row["method"] == "lirf+"
    assert row["samples"]["deposit"] == row["samples"]["surrogates"] > 0
    assert row["seconds"]["training"] > 0
    assert row["seconds"]["evaluation"] > 0
    assert row["commit"] == bench.taken.commit
    assert row["t0"] == "trained here, 4 epochs, seed 0"
    for named in ("hardware", "versions", "device", "threads", "code"):
        assert row[named]
    assert row["works"][0]["deposited"] == ["0,1"]
    assert {"original", "target", "recover", "swap", "oracle"} <= row.keys()
    assert "per_class" not in str(row)


def changed(bench: Bench, cell: Cell, what: str) -> tuple[Bench, Cell]:
    if what == "config":
        return bench, replace(cell, config=replace(cell.deposit_config, temperature=3.25))
    if what == "seed":
        return bench, replace(cell, seed=5)
    if what == "arguments":
        return bench, replace(cell, arguments={"classes": [8, 9]})
    if what == "test images":
        return replace(bench, test=bench.test.subset(list(range(200)))), cell
    if what == "scale":
        return replace(bench, order=replace(bench.order, scale=replace(bench.order.scale, train=0.5))), cell
    return replace(bench, spec=replace(bench.spec, mean=(0.3,))), cell


@pytest.mark.parametrize("what", ["config", "seed", "arguments", "test images", "scale", "input"])
def test_whatever_decides_a_figure_decides_whether_a_row_counts(
    bench: Bench, scope: Scope, what: str
) -> None:
    cell = cell_of(scope, "lirf/20%/seed0")
    run(bench, STUDY, [cell], Choice(), silent)
    t0 = original_digest(bench)
    assert found(bench, STUDY, cell, t0) is not None
    other_bench, other_cell = changed(bench, cell, what)
    assert found(other_bench, STUDY, other_cell, t0) is None
    assert found(bench, STUDY, cell, "another original") is None
    assert found(bench, replace(STUDY, name="another"), cell, t0) is None


def test_rows_of_other_code_count_only_on_request_and_never_as_current(
    fresh: Bench, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = cell_of(scope, "lirf/10%/seed0")
    lenient = replace(fresh, cache=replace(fresh.cache, any_code=True))
    run(fresh, STUDY, [cell], Choice(), silent)
    monkeypatch.setattr(run_module, "digest_code", lambda *_: "changed")
    assert waiting(fresh, STUDY, [cell], Choice()) == [cell]
    assert waiting(lenient, STUDY, [cell], Choice()) == []
    (row,) = run(lenient, STUDY, [cell], Choice(), silent).rows
    assert row["other_code"]

    monkeypatch.setattr("experiments.reproduce.deposits.digest_code", lambda *_: "changed too")
    other = replace(cell, arguments={**cell.arguments, "asked": "again"})
    (row,) = run(lenient, STUDY, [other], Choice(), silent).rows
    assert row["works"][0]["other_code"]
    assert waiting(fresh, STUDY, [other], Choice()) == [other]


@pytest.mark.parametrize(
    "refusal",
    [
        InvalidInputError("config.learning_rate", "the loss is nan.", "Lower it."),
        NotIdenticalError("Another recover net."),
    ],
)
def test_a_cell_that_is_refused_is_not_run_and_stops_no_other(
    fresh: Bench, scope: Scope, refusal: Exception
) -> None:
    def diverging(_: Bench, __: Cell) -> Measured:
        raise refusal

    diverging.__module__ = "experiments.reproduce.measures.whole_classes"
    first, second = [one for one in table1.cells(scope) if one.setting == "20%"]
    outcome = run(fresh, STUDY, [replace(first, compute=diverging), second], Choice(), silent)
    assert outcome.failures == {first.key: str(refusal)}
    assert outcome.rows[0]["not_run"] == f"failed: {refusal}"
    assert outcome.rows[1]["target"]["h"] >= 0
    assert waiting(fresh, STUDY, [first, second], Choice()) == [first]


def test_seeds_come_one_after_the_other(fresh: Bench, two_seeds: list[Cell]) -> None:
    assert [cell.seed for cell in waiting(fresh, STUDY, two_seeds[::-1], CHOICE)] == [0, 0, 1, 1]


def test_nothing_is_trained_to_show_what_is_done(bench: Bench, scope: Scope, tmp_path: Path) -> None:
    empty = replace(bench, cache=Cache(tmp_path))
    assert len(waiting(empty, STUDY, table1.cells(scope), Choice())) == 18
    assert list(tmp_path.iterdir()) == []
