from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from app.lirf.audits.features import penultimate
from app.lirf.config import DepositConfig
from app.lirf.evaluation import accuracies, class_mask, logits
from app.lirf.rows import sealed_classes
from experiments.reproduce.bench import Bench
from experiments.reproduce.measures import attacks
from experiments.reproduce.measures.audited import audited
from experiments.reproduce.originals import original, trained
from experiments.reproduce.run import Choice, run
from experiments.reproduce.studies import below_output, front, load, table1
from experiments.reproduce.study import Cell, Measured, Row, Scope

STUDY = load("below-output")
Measure = Callable[[Cell], Measured]


@pytest.fixture
def independent(scope: Scope) -> Scope:
    """Everything is asked for, and networks that are trained here are trained for one epoch."""
    return replace(scope, independent=True, train=replace(scope.train, epochs=1))


def cell_of(scope: Scope, method: str, seed: int = 0) -> Cell:
    """The cell with a student of one epoch."""
    (cell,) = [one for one in below_output.cells(scope) if (one.method, one.seed) == (method, seed)]
    student = cell.arguments["student"]
    short = {**student, "train": {**student["train"], "epochs": 1}}
    return replace(cell, arguments={**cell.arguments, "student": short})


def silent(cell: Cell, what: str) -> None:
    """Watch nothing."""


def test_the_retrained_network_and_the_original_have_one_seed_and_targets_all(independent: Scope) -> None:
    cells = below_output.cells(replace(independent, seeds=(3, 4)))
    assert [cell.key for cell in cells] == [
        "original/original/seed3",
        "retrained/retrained/seed3",
        "lirf/20%/seed3",
        "lirf+/20%/seed3",
        "lirf/20%/seed4",
        "lirf+/20%/seed4",
    ]
    assert cells[1].train_config.seed == 3
    assert cells[5].arguments["relearn"]["seed"] == cells[5].arguments["student"]["train"]["seed"] == 4


def test_a_network_is_retrained_on_request_only(scope: Scope) -> None:
    reasons = {cell.method: cell.not_run for cell in below_output.cells(scope)}
    assert reasons == {"original": None, "retrained": "needs --independent", "lirf": None, "lirf+": None}
    four = replace(scope, classes=("a", "b", "c", "d"), independent=True)
    assert all("no whole classes" in (cell.not_run or "") for cell in below_output.cells(four))


def test_every_attack_and_what_it_was_given_stands_in_the_row(
    bench: Bench, scope: Scope, measure: Measure, made: list[DepositConfig]
) -> None:
    (same,) = [cell for cell in table1.cells(scope) if cell.key == "lirf+/20%/seed0"]
    plain = measure(same).figures
    before = len(made)
    cell = cell_of(scope, "lirf+")
    measured = measure(cell)
    row = measured.figures
    assert len(made) == before
    assert {name: row[name] for name in ("original", "target", "recover")} == {
        name: plain[name] for name in ("original", "target", "recover")
    }
    assert row["target"]["dep"] == 0
    assert row["probe"] > 50
    assert 0 < row["prototypes"]["mean"] <= 100
    assert row["prototypes"]["std"] > 0
    assert row["relearn"]["curve"][0] == [0, row["relearn"]["curve"][0][1]]
    last_step, last = row["relearn"]["curve"][-1]
    assert row["relearn"]["steps"] == last_step > 0
    assert last >= 0.95 * row["original"]["dep"]
    assert row["student"].keys() == {"pre", "dep", "avg", "probe"}
    half = len(bench.train) // 2
    assert row["attacker_images"]["probe"] == row["attacker_images"]["student"] == half
    assert row["attacker_images"]["relearn"] % 10 == 0
    assert row["attack_seconds"].keys() == {"features", "probe", "prototypes", "relearn", "student"}
    assert [work.record["samples"] for work in measured.works][1] == {"student": half}
    again = measure(cell).figures
    for figures in (row, again):
        del figures["attack_seconds"]
    assert again == row


def test_the_original_has_nothing_to_relearn(scope: Scope, measure: Measure) -> None:
    row = measure(cell_of(scope, "original")).figures
    assert row["relearn"] == {"steps": 0, "curve": [[0, row["original"]["dep"]]]}
    assert "target" not in row


def test_an_attack_that_is_given_up_has_no_steps_but_its_curve(scope: Scope, measure: Measure) -> None:
    cell = cell_of(scope, "lirf+")
    weak = {**cell.arguments["relearn"], "max_steps": 2, "learning_rate": 1e-9}
    row = measure(replace(cell, arguments={**cell.arguments, "relearn": weak})).figures
    assert row["relearn"]["steps"] is None
    assert [step for step, _ in row["relearn"]["curve"]] == [0, 2]


def test_the_retrained_network_never_saw_a_deposited_class_and_is_shared_with_the_front(
    bench: Bench, independent: Scope, measure: Measure
) -> None:
    measured = measure(cell_of(independent, "retrained"))
    assert measured.works[0].record["trained_on"] == list("23456789")
    net = trained(bench, range(2, 10), independent.train).net
    mask = class_mask(bench.test.labels, (0, 1))
    expected = accuracies(logits(net, bench.test.images, bench.spec), bench.test.labels, mask)
    row = measured.figures
    assert {name: row["retrained"][name] for name in expected} == pytest.approx(expected)
    assert row["retrained"]["f"] == row["original"]["dep"] - row["retrained"]["dep"]
    (other,) = [cell for cell in front.cells(independent) if cell.method == "retrained"]
    shared = measure(other)
    assert [work.fresh for work in shared.works] == [False]
    assert shared.figures["probe"] == row["probe"]
    assert shared.figures["prototypes"] == row["prototypes"]


def test_a_target_is_read_as_served_and_teaches_with_its_rows_put_back(
    bench: Bench, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[tuple[int, ...]] = []

    def listening(teacher: Any, student: Any, *_: Any, **__: Any) -> Any:
        taught.append(sealed_classes(teacher))
        return student.frozen()

    monkeypatch.setattr(attacks, "distil_student", listening)
    cell = cell_of(scope, "lirf+")
    found = audited(bench, cell)
    assert sealed_classes(found.net) == (0, 1)
    attacks._student(bench, found.restored, cell.arguments)
    assert taught == [()]
    images = bench.test.images[:20]
    assert torch.equal(
        penultimate(found.net, images, bench.spec), penultimate(found.restored, images, bench.spec)
    )
    assert not torch.allclose(
        penultimate(found.net, images, bench.spec), penultimate(original(bench), images, bench.spec)
    )


@pytest.mark.parametrize("name", ["probe", "relearn", "student"])
def test_how_much_an_attacker_holds_decides_whether_a_row_counts(
    fresh: Bench, scope: Scope, name: str
) -> None:
    cell = cell_of(scope, "original")
    asked: list[str] = []

    def computed(_: Bench, one: Cell) -> Measured:
        asked.append(one.key)
        return Measured({"probe": 1.0}, ())

    computed.__module__ = attacks.__name__
    cell = replace(cell, compute=computed)
    fewer = {**cell.arguments, name: {**cell.arguments[name], "images": 7}}
    for one, count in ((cell, 1), (cell, 1), (replace(cell, arguments=fewer), 2)):
        run(fresh, STUDY, [one], Choice(), silent)
        assert len(asked) == count


def row_of(method: str, setting: str, seed: int, steps: int | None, **changes: Any) -> Row:
    net = method if method in ("original", "retrained") else "target"
    return {
        "method": method,
        "setting": setting,
        "seed": seed,
        net: {"pre": 90.0, "dep": 1.0, "dep_rows_kept": 9.0},
        "probe": 90.0,
        "prototypes": {"mean": 70.0, "std": 2.0},
        "relearn": {"steps": steps, "curve": [[0, 0.0], [5, 50.0]]},
        "student": {"pre": 80.0, "dep": 40.0, "probe": 75.0},
        **changes,
    }


RETRAINED = row_of("retrained", "retrained", 0, 40, probe=71.5)
TARGETS = [row_of("lirf", "20%", 0, 10), row_of("lirf", "20%", 1, 20, probe=92.0)]


def shown(rows: list[Row]) -> dict[str, dict[str, str]]:
    head, _, *body = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in STUDY.table(STUDY, rows).splitlines()
    ]
    return {line[0]: dict(zip(head[1:], line[1:], strict=True)) for line in body}


def test_the_distance_to_the_retrained_network_stands_in_brackets() -> None:
    table = shown([row_of("original", "original", 0, 0), RETRAINED, *TARGETS])
    assert table["retrained"]["probe"] == "71.50"
    assert table["lirf"]["probe"] == "91.00 ± 1.41 (+19.50)"
    assert table["lirf"]["rows back Dep"] == "9.00 ± 0.00"
    assert table["lirf"]["relearn steps"] == "15.0 ± 7.1 (−25.0)"
    assert table["lirf"]["AIN"] == "0.38 ± 0.18"
    assert table["original"]["AIN"] == "0.00"
    assert (table["original"]["seeds"], table["retrained"]["seeds"], table["lirf"]["seeds"]) == (
        "1",
        "1",
        "2",
    )


def test_without_a_retrained_network_there_is_no_distance_to_it() -> None:
    missing = {"method": "retrained", "setting": "retrained", "seed": 0, "not_run": "needs --independent"}
    table = shown([row_of("original", "original", 0, 0), missing, *TARGETS])
    assert set(table["retrained"].values()) == {"not run"}
    assert table["lirf"]["probe"] == "91.00 ± 1.41"
    assert table["lirf"]["AIN"] == ""


def test_nets_that_never_relearn_are_told_and_not_averaged_away() -> None:
    some = [RETRAINED, row_of("lirf", "20%", 0, None), row_of("lirf", "20%", 1, 20)]
    assert shown(some)["lirf"]["relearn steps"] == "20.0 (−20.0), 1 of 2 within 500"
    assert shown(some)["lirf"]["AIN"] == "0.50, 1 of 2 within 500"
    none = [RETRAINED, row_of("lirf", "20%", 0, None)]
    assert shown(none)["lirf"]["relearn steps"] == "> 500"
    assert shown(none)["lirf"]["AIN"] == "> 12.50"
    stubborn = [row_of("retrained", "retrained", 0, None), *TARGETS]
    assert shown(stubborn)["lirf"]["AIN"] == ""


@pytest.mark.parametrize("rows", [[RETRAINED, *TARGETS], TARGETS, [row_of("lirf+", "20%", 0, None)]])
def test_the_picture_is_drawn_whatever_was_run(rows: list[Row], tmp_path: Path) -> None:
    STUDY.draw(STUDY, rows, tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
