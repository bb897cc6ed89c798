from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from app.lirf.config import DepositConfig
from app.lirf.evaluation import accuracies, class_mask, forgetting, harmonic, logits
from app.lirf.recover import RecoverNet
from app.lirf.rows import with_rows
from experiments.reproduce.bench import Bench
from experiments.reproduce.deposits import class_set, deposited
from experiments.reproduce.measures import several_sets
from experiments.reproduce.measures.figures import figures_of
from experiments.reproduce.measures.several_sets import NotIdenticalError
from experiments.reproduce.measures.whole_classes import deposit_classes
from experiments.reproduce.originals import original
from experiments.reproduce.studies import NAMES, figure2, load, main_table1, table1, table2, table3
from experiments.reproduce.study import Cell, Measured, Row, Scope

Measure = Callable[[Cell], Measured]


def cell_of(cells: list[Cell], key: str) -> Cell:
    (found,) = [cell for cell in cells if cell.key == key]
    return found


def test_every_row_has_the_shape_of_the_demo(bench: Bench, scope: Scope, measure: Measure) -> None:
    row = measure(cell_of(table1.cells(scope), "lirf+/20%/seed0")).figures
    assert {"pre", "dep", "avg"} <= row["original"].keys()
    assert {"pre", "dep", "f", "h", "avg", "pre_rows_kept", "dep_rows_kept", "h_rows_kept"} <= row[
        "target"
    ].keys()
    assert {"pre", "dep", "avg"} <= row["recover"].keys()
    assert row["recover"]["per_class"].keys() == set(bench.test.classes)
    assert row["test_images"] == len(bench.test) == 359


def test_the_first_classes_are_deposited(scope: Scope) -> None:
    chosen = [cell.arguments["classes"] for cell in table1.cells(scope) if cell.method == "lirf"]
    assert chosen == [list(range(count)) for count in range(1, 10)]


def test_shares_that_are_no_whole_classes_are_not_run_and_say_why(scope: Scope) -> None:
    four = replace(scope, classes=("a", "b", "c", "d"))
    reasons = {cell.setting: cell.not_run for cell in table1.cells(four)}
    assert reasons["50%"] is None
    assert "no whole classes" in (reasons["10%"] or "")
    assert all(cell.not_run for cell in table2.cells(four))


def test_what_should_be_forgotten_can_be_other_images_than_those_of_the_classes(
    bench: Bench, scope: Scope
) -> None:
    start = original(bench)
    done = deposited(bench, start, [class_set(bench, (0, 1))], scope.config("lirf+", 0))
    labels = bench.test.labels
    plain = figures_of(bench, start, done.target, done.modules)
    assert figures_of(bench, start, done.target, done.modules, (), class_mask(labels, (0, 1))) == plain
    first = figures_of(bench, start, done.target, done.modules, (1,), class_mask(labels, (0,)))
    assert first["target"]["dep"] == plain["target"]["per_class"]["0"]
    assert first["test_images"] == len(labels) - int((labels == 1).sum())


def test_a_sequence_goes_on_from_the_target_and_measures_each_set(
    bench: Bench, scope: Scope, measure: Measure
) -> None:
    cells = table2.cells(scope)
    row = measure(cell_of(cells, "lirf+/sequence-2/seed0")).figures
    start, config = original(bench), scope.config("lirf+", 0)
    first = deposited(bench, start, [class_set(bench, (0, 1))], config)
    second = deposited(bench, first.target, [class_set(bench, (2, 3))], config, absent=(0, 1))
    assert not first.work.fresh
    assert not second.work.fresh
    modules = [*first.modules, *second.modules]
    nets = {
        "original": start,
        "target": second.target,
        "recover": RecoverNet(second.target, modules),
        "rows_kept": with_rows(second.target, [(one.filter.classes, one.tensors) for one in modules]),
    }
    labels = bench.test.labels
    said = {name: logits(net, bench.test.images, bench.spec) for name, net in nets.items()}
    for name, answers in said.items():
        for number, classes in (("set1", (0, 1)), ("set2", (2, 3))):
            expected = accuracies(answers, labels, class_mask(labels, classes))["dep"]
            assert row["sets"][name][number] == pytest.approx(expected)
    whole = accuracies(said["target"], labels, class_mask(labels, (0, 1, 2, 3)))
    assert row["target"]["pre"] == whole["pre"]
    lost = forgetting(row["sets"]["original"]["set2"], row["sets"]["target"]["set2"])
    assert row["step"]["h"] == pytest.approx(harmonic(whole["pre"], lost))
    first_row = measure(cell_of(cells, "lirf+/sequence-1/seed0")).figures
    assert first_row["step"]["h"] == pytest.approx(first_row["target"]["h"])
    assert first_row["target"]["pre"] != row["target"]["pre"]


def test_studies_share_their_deposits(scope: Scope, measure: Measure, made: list[DepositConfig]) -> None:
    for cells, setting in ((table1.cells(scope), "20%"), (table2.cells(scope), "sequence-1")):
        measure(cell_of(cells, f"lirf/{setting}/seed0"))
    measure(cell_of(table2.cells(scope), "lirf/once/seed0"))
    measure(cell_of(table3.cells(scope), "lirf/inverse-1/seed0"))
    assert len(made) <= 2


@pytest.mark.parametrize("method", ["lirf", "lirf+"])
def test_every_order_of_withdrawal_leads_to_the_same_bits(
    scope: Scope, measure: Measure, method: str
) -> None:
    cells = table3.cells(scope)
    rows: dict[str, Row] = {
        setting: measure(cell_of(cells, f"{method}/{setting}/seed0")).figures for setting in table3.ORDERS
    }
    final = [rows[setting] for setting in ("once", "sequence-2", "inverse-2")]
    assert all(row["identical"] == {"tensors": True, "logits": True} for row in final)
    assert final[0]["recover"] == final[1]["recover"] == final[2]["recover"]
    assert "identical" not in rows["sequence-1"]
    assert rows["sequence-1"]["sets"]["recover"].keys() == {"set1"}
    assert rows["inverse-1"]["sets"]["recover"].keys() == {"set2"}
    assert rows["inverse-1"]["test_images"] < final[0]["test_images"]
    assert set(rows["inverse-1"]["recover"]["per_class"]) == {"2", "3", "4", "5", "6", "7", "8", "9"}


def test_an_order_that_leads_elsewhere_is_an_error(
    scope: Scope, measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgetful(RecoverNet):
        """Loses the module that was withdrawn first."""

        def __init__(self, target: torch.nn.Module, modules: list[object]) -> None:
            super().__init__(target, modules[1:] if modules[0].filter.classes == (2, 3) else modules)

    monkeypatch.setattr(several_sets, "RecoverNet", Forgetful)
    with pytest.raises(NotIdenticalError, match="set2, set1"):
        measure(cell_of(table3.cells(scope), "lirf/inverse-2/seed0"))


def test_curves_have_a_point_per_epoch_and_end_where_the_deposit_ends(
    scope: Scope, measure: Measure, made: list[DepositConfig]
) -> None:
    short = replace(scope, changes={**scope.changes, "epochs": 2})
    cell = cell_of(figure2.cells(short), "lirf/20%/seed0")
    row = measure(cell).figures
    assert [point["epoch"] for point in row["curves"]] == [1, 2]
    assert row["curves"][0]["target"] != row["curves"][1]["target"]
    assert all(point["losses"]["total"] > 0 and 0 < point["attention"] < 2 for point in row["curves"])
    (again,) = measure(replace(cell, compute=deposit_classes)).works
    assert not again.fresh
    assert measure(replace(cell, compute=deposit_classes)).figures["target"] == row["target"]
    table = figure2.table(load("figure2"), [{"method": "lirf", "seed": 0, **row}])
    assert len(table.splitlines()) == 2 + 2 + 1
    assert f"{row['recover']['avg']:.2f}" in table.splitlines()[3]
    assert "not run" in table.splitlines()[4]
    measure(cell)
    assert len(made) == 2  # nets at the ends of epochs are nowhere but in the making


def test_networks_trained_apart_know_their_own_part(bench: Bench, scope: Scope, measure: Measure) -> None:
    cells = main_table1.cells(scope)
    apart = cell_of(cells, "independent/independent/seed0")
    assert apart.not_run == "needs --independent"
    assert cell_of(main_table1.cells(replace(scope, independent=True)), apart.key).not_run is None
    short = replace(apart, config=replace(apart.train_config, epochs=10))
    measured = measure(short)
    figures = measured.figures["independent"]
    assert figures["dep"] > 50
    share = int(class_mask(bench.test.labels, (0, 1, 2)).sum()) / len(bench.test)
    assert figures["avg"] == pytest.approx((1 - share) * figures["pre"] + share * figures["dep"])
    assert [work.record["trained_on"] for work in measured.works] == [list("3456789"), list("012")]


@pytest.mark.parametrize("name", NAMES)
def test_every_study_is_whole(name: str, scope: Scope) -> None:
    study = load(name)
    cells = study.cells(scope)
    assert study.name == name
    assert len({cell.key for cell in cells}) == len(cells)
    settings = {cell.setting for cell in cells}
    for line in study.lines:
        assert line.setting in settings
        assert len(line.labels) == len(study.heads)
        assert set(line.paper) <= set(line.shows) <= set(study.columns)


def test_the_published_figures_follow_from_each_other() -> None:
    before = {"D1": 96.43, "D2": 90.58}
    for line in table2.LINES:
        if "Deposit" in line.labels[1]:
            sets = [name for name in before if name in line.paper]
            lost = sum(before[name] - line.paper[name] for name in sets) / len(sets)
            assert harmonic(line.paper["Pre"], lost) == pytest.approx(line.paper["H or Avg"], abs=0.04)
    for percent, (_, _, _, pre, dep, avg) in table1.PUBLISHED.items():
        assert avg == pytest.approx((100 - percent) / 100 * pre + percent / 100 * dep, abs=0.02)
