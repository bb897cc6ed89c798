import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from app.lirf.config import DepositConfig, Progress
from app.lirf.deposit import deposit
from app.lirf.deposit_set import DepositSet
from app.lirf.errors import InvalidInputError
from benchmarks import retraining
from benchmarks.ladder import Rung, climb, rung_of
from benchmarks.retraining_block import COMMAND, block_of, put_into
from benchmarks.subject import Subject
from benchmarks.wanted import Wanted, from_cache, from_figure, from_record, samples_of
from experiments.reproduce import originals
from experiments.reproduce.bench import Bench, Order, open_bench
from experiments.reproduce.cache import Cache
from experiments.reproduce.measures.whole_classes import deposit_classes
from experiments.reproduce.scale import Scale
from experiments.reproduce.studies import main_table1
from experiments.reproduce.study import Scope

CLASSES = (0, 1, 2)
NAMES = "0,1,2"


def rung(epochs: int, pre: float) -> Rung:
    return Rung(epochs, 100 * epochs, pre, 1.0, "commit")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Digits, whole: the command opens them so."""
    return open_bench(Order("digits", device="cpu"), Cache(tmp_path_factory.mktemp("retraining")))


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Epochs of every network that is really trained from now on."""
    epochs: list[int] = []
    real = originals.train

    def counting(*arguments: object, **options: object) -> object:
        epochs.append(arguments[4].epochs)
        return real(*arguments, **options)

    monkeypatch.setattr(originals, "train", counting)
    return epochs


@pytest.mark.parametrize(
    ("pre", "tried"), [(70.0, [1]), (80.0, [1, 2]), (80.1, [1, 2, 3]), (99.0, [1, 2, 3])]
)
def test_the_ladder_ends_at_the_first_budget_that_reaches_the_deposits_pre(
    pre: float, tried: Sequence[int]
) -> None:
    found = climb([3, 1, 2, 2], lambda epochs: rung(epochs, 60.0 + 10 * epochs), pre)
    assert [one.epochs for one in found] == tried


def test_the_samples_of_both_are_compared_and_smaller_budgets_are_not_counted() -> None:
    found = retraining.block([rung(10, 80.0), rung(20, 90.0)], Wanted(90.0, 500, "given"))
    assert (found["reached"], found["samples"], found["deposit_samples"], found["ratio"]) == (
        True,
        2000,
        500,
        4.0,
    )
    assert [one["pre"] for one in found["budgets"]] == [80.0, 90.0]


def test_a_pre_that_no_budget_reaches_gives_a_lower_bound_and_no_ratio() -> None:
    found = retraining.block([rung(10, 80.0), rung(20, 89.9)], Wanted(90.0, 500, "given"))
    assert not found["reached"]
    assert "ratio" not in found
    assert found["ratio_at_least"] == 4.0


@pytest.mark.parametrize("objective", ["lirf", "lirf+"])
def test_the_samples_of_a_deposit_follow_from_its_settings(subject: Subject, objective: str) -> None:
    config = DepositConfig.of(objective, batch_size=12, epochs=1, min_steps=4)
    told: list[Progress] = []
    whole = subject.deposit_set
    part = DepositSet(whole.images[:20], whole.labels[:20], (0, 1))
    deposit(subject.original, subject.spec, subject.split, [part], config, on_step=told.append)
    assert told[-1].epochs == 2
    assert samples_of(config, 20) == told[-1].epochs * 20 * (2 if objective == "lirf+" else 1)


def test_a_network_trained_for_the_papers_table_is_found_and_every_budget_is_kept(
    bench: Bench, trainings: list[int]
) -> None:
    scope = Scope((0,), bench.train.classes, replace(bench.train_config, epochs=2), independent=True)
    (apart,) = [cell for cell in main_table1.cells(scope) if cell.method == main_table1.INDEPENDENT]
    independent = apart.compute(bench, apart).figures["independent"]
    assert trainings == [2, 2]
    found = rung_of(bench, CLASSES, 0, 2)
    assert trainings == [2, 2]
    assert found.pre == pytest.approx(independent["pre"], abs=1.0)  # there all classes compete
    preserved = int((bench.train.labels > 2).sum())
    assert found.samples == 2 * preserved
    assert rung_of(bench, CLASSES, 0, 1).samples == preserved
    assert rung_of(bench, CLASSES, 0, 1).pre > 20
    assert trainings == [2, 2, 1]


def test_pre_and_samples_are_read_in_a_record_of_the_same_deposit(bench: Bench, tmp_path: Path) -> None:
    config = DepositConfig.lirf_plus(seed=0)
    same = {"method": "lirf+", "seed": 0, "net": "resnet20", "scale": "full", "setting": "30%"}
    row = {
        **same,
        "arguments": {"classes": [0, 1, 2]},
        "target": {"pre": 90.5},
        "samples": {"deposit": 30, "surrogates": 30},
    }
    others = [
        {**row, "seed": 1},
        {**row, "method": "lirf"},
        {**row, "scale": "train=0.5"},
        {**row, "arguments": {"classes": [0, 1]}},
        {**same, "not_run": "interrupted"},
    ]
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"rows": [*others, row]}))
    assert from_record(bench, path, CLASSES, config) == Wanted(90.5, 60, "table.json, 30%")
    path.write_text(json.dumps({"rows": others}))
    with pytest.raises(
        InvalidInputError, match=r"no finished deposit of classes \[0, 1, 2\] by lirf\+, seed 0\."
    ):
        from_record(bench, path, CLASSES, config)
    path.write_text("{")
    with pytest.raises(InvalidInputError, match=r"record: table\.json cannot be read\. Give a file that"):
        from_record(bench, path, CLASSES, config)


def test_a_deposit_that_is_made_gives_the_pre_and_the_samples_of_its_row(bench: Bench) -> None:
    small = replace(bench, order=replace(bench.order, scale=Scale(epochs=1), train_epochs=1))
    small = replace(small, train_config=replace(bench.train_config, epochs=1))
    scope = Scope((0,), bench.train.classes, small.train_config, small.order.scale.changes)
    (cell,) = [cell for cell in main_table1.cells(scope) if cell.method == "lirf+"]
    wanted = from_cache(small, CLASSES, cell.deposit_config)
    measured = deposit_classes(small, cell)
    assert not measured.works[0].fresh
    assert wanted.pre == measured.figures["target"]["pre"]
    images = int((bench.train.labels < 3).sum())
    assert wanted.samples == 2 * images == samples_of(cell.deposit_config, images)


def test_an_accuracy_that_is_none_is_refused(bench: Bench) -> None:
    with pytest.raises(
        InvalidInputError, match=r"pre: 900\.0 is no accuracy\. Give percent, e\.g\. 90\.68\."
    ):
        from_figure(bench, 900.0, CLASSES, DepositConfig())


def test_the_command_writes_its_record_and_the_deposits_block_and_goes_on_where_it_was(
    bench: Bench, tmp_path: Path, trainings: list[int]
) -> None:
    results, record = tmp_path / "retraining.json", tmp_path / "deposit.json"
    record.write_text(json.dumps({"rows": [1], "retraining": {"measured": False}}))
    given = ["--data", "digits", "--pre", "99.99", "--classes", NAMES, "--budgets", "2,1", "--device", "cpu"]
    places = ["--cache", str(bench.cache.folder / "own"), "--json", str(results), "--deposit", str(record)]
    retraining.main([*given, *places])
    first = block_of(results)
    assert trainings == [1, 2]
    assert [one["epochs"] for one in first["budgets"]] == [1, 2]
    assert not first["reached"]
    assert json.loads(record.read_text()) == {"rows": [1], "retraining": first}
    given[3] = str(first["budgets"][0]["pre"])
    retraining.main([*given, *places])
    assert trainings == [1, 2]
    second = block_of(results)
    assert (second["reached"], second["samples"]) == (True, first["budgets"][0]["samples"])
    assert second["ratio"] == round(second["samples"] / second["deposit_samples"], 2)


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--budgets", "ten", r"budgets: 'ten' is no list of numbers\. Give e\.g\. 10,15"),
        ("--budgets", "0,5", r"budgets: 0 is too few\."),
        ("--classes", "tram", r"classes: 'tram' is no class of the data\."),
    ],
)
def test_bad_options_end_with_what_to_do_and_change_no_record(
    tmp_path: Path, option: str, value: str, problem: str
) -> None:
    record = tmp_path / "deposit.json"
    record.write_text("{}")
    given = {"--data": "digits", "--pre": "90", "--classes": NAMES, option: value}
    places = {"--cache": tmp_path, "--json": tmp_path / "r.json", "--deposit": record}
    with pytest.raises(SystemExit, match=problem):
        retraining.main([str(part) for pair in (given | places).items() for part in pair])
    assert record.read_text() == "{}"
    assert not (tmp_path / "r.json").exists()


def test_without_a_record_the_block_says_which_command_measures(tmp_path: Path) -> None:
    assert block_of(tmp_path / "none.json") == {"measured": False, "command": COMMAND}
    assert not put_into(tmp_path / "none.json", asdict(rung(1, 1.0)))
