from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.lirf.audits.membership import losses_of, membership_auc
from app.lirf.deposit_set import DepositSet
from app.lirf.evaluation import logits
from app.lirf.filters import LogitFilter
from app.lirf.recover import RecoverNet
from experiments.reproduce.bench import Bench
from experiments.reproduce.deposits import deposited
from experiments.reproduce.measures.draws import some_rows
from experiments.reproduce.originals import original
from experiments.reproduce.studies import load, subset
from experiments.reproduce.study import Cell, Measured, Scope

STUDY = load("subset")
Measure = Callable[[Cell], Measured]


def cell_of(scope: Scope, method: str, seed: int = 0) -> Cell:
    (cell,) = [one for one in subset.cells(replace(scope, seeds=(seed,))) if one.method == method]
    return cell


@pytest.mark.parametrize("method", ["lirf", "lirf+"])
def test_membership_is_that_of_the_deposited_images_against_the_test_set(
    bench: Bench, scope: Scope, measure: Measure, method: str
) -> None:
    row = measure(cell_of(scope, method)).figures
    rows = some_rows(bench.train, round(0.1 * len(bench.train)), 1.0, 0)
    images, labels = bench.train.images[rows], bench.train.labels[rows]
    assert row["set_images"] == len(rows) == 43
    done = deposited(bench, original(bench), [DepositSet(images, labels, None)], scope.config(method, 0))
    assert not done.work.fresh
    assert done.modules[0].filter == LogitFilter("residual")
    nets = {
        "original": original(bench),
        "target": done.target,
        "recover": RecoverNet(done.target, done.modules),
    }
    assert row["membership"].keys() == nets.keys()
    for name, net in nets.items():
        inside = losses_of(net, images, labels, bench.spec)
        outside = losses_of(net, bench.test.images, bench.test.labels, bench.spec)
        told = row["membership"][name]
        assert told["auc"] == pytest.approx(membership_auc(inside, outside), abs=1e-3)
        assert told["loss"]["set"] == pytest.approx(float(inside.mean()), rel=1e-3)
        assert told["loss"]["test"] == pytest.approx(float(outside.mean()), rel=1e-3)
        assert told["accuracy"]["test"] == pytest.approx(row[name]["avg"])
        same = logits(net, images, bench.spec).argmax(dim=1) == labels
        assert told["accuracy"]["set"] == pytest.approx(100 * float(same.double().mean()))
    assert row["membership"]["original"]["agreement"] == 100
    assert row["membership"]["target"]["agreement"] < 100


def test_no_test_image_is_to_be_forgotten(scope: Scope, measure: Measure) -> None:
    row = measure(cell_of(scope, "lirf+")).figures
    for net in ("original", "target", "recover"):
        assert row[net]["pre"] == row[net]["avg"] > 0
        assert row[net]["dep"] is None
    assert [row["target"][name] for name in ("f", "h", "dep_rows_kept", "h_rows_kept")] == [None] * 4
    assert row["target"]["pre_rows_kept"] == row["target"]["pre"]


def test_each_seed_draws_a_set_of_its_own_for_both_methods(scope: Scope, measure: Measure) -> None:
    found = {
        (method, seed): measure(cell_of(scope, method, seed)).figures["membership"]["original"]
        for method in ("lirf", "lirf+")
        for seed in (0, 1)
    }
    assert found["lirf", 0] == found["lirf+", 0]
    assert found["lirf", 0]["auc"] != found["lirf", 1]["auc"]


def test_the_original_has_one_line_over_all_seeds_and_nothing_is_a_percent_that_is_none(
    tmp_path: Path,
) -> None:
    def told(auc: float) -> dict[str, object]:
        return {
            "auc": auc,
            "loss": {"set": 0.1, "test": 0.2},
            "accuracy": {"set": 99.0, "test": 91.0},
            "agreement": 100.0,
        }

    rows = [
        {
            "method": method,
            "setting": "random10%",
            "seed": seed,
            "membership": {"original": told(0.6 + seed / 100), "target": told(0.5), "recover": told(0.58)},
        }
        for seed in (0, 1)
        for method in ("lirf", "lirf+")
    ]
    rows[0] = {"method": "lirf", "setting": "random10%", "seed": 0, "not_run": "it rained"}
    lines = STUDY.table(STUDY, rows).splitlines()
    assert lines[2].startswith("| original | either | 0.6050 ± 0.0071 | 0.1000 ± 0.0000 |")
    assert lines[2].endswith("| 100.00 ± 0.00 | 2 |")
    assert lines[3].startswith("| target | lirf | 0.5000 |")
    assert lines[3].endswith("| 1 of 2 |")
    assert STUDY.units == "AUC from 0 to 1, losses in nats, otherwise percent"
    STUDY.draw(STUDY, rows, tmp_path / "subset.png")
    assert (tmp_path / "subset.png").read_bytes().startswith(b"\x89PNG")
