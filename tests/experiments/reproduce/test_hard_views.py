from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from app.lirf.evaluation import accuracy, logits
from app.lirf.framing import moved
from experiments.reproduce.bench import Bench
from experiments.reproduce.deposits import class_set, deposited
from experiments.reproduce.measures.figures import BATCH
from experiments.reproduce.measures.hard_views import SEED
from experiments.reproduce.originals import original
from experiments.reproduce.studies import hard_views, load
from experiments.reproduce.study import Cell, Measured, Scope

STUDY = load("hard-views")
Measure = Callable[[Cell], Measured]


def cell_of(scope: Scope, setting: str) -> Cell:
    (cell,) = [one for one in hard_views.cells(scope) if one.setting == setting]
    return cell


def test_the_level_is_the_modules_own_and_without_one_both_recover_nets_are_the_same(
    bench: Bench, scope: Scope, measure: Measure
) -> None:
    cell = cell_of(scope, "pair2-3")
    row = measure(cell).figures
    done = deposited(bench, original(bench), [class_set(bench, (2, 3))], cell.deposit_config)
    assert not done.work.fresh
    assert row["views"]["level"] == pytest.approx(float(done.modules[0].tensors["level"][2]))
    assert row["images"] == len(bench.train)
    plain = Cell(
        method=cell.method,
        setting="plain",
        seed=0,
        compute=cell.compute,
        config=scope.config("lirf+", 0, calibrate=False),
        arguments=cell.arguments,
    )
    views = measure(plain).figures["views"]
    assert views["level"] == 0
    assert views["recover"] == views["unlevelled"] == pytest.approx(row["views"]["unlevelled"])
    assert views["overrated"] == pytest.approx(row["views"]["overrated"], abs=1e-3)


def test_the_original_answers_moved_training_images_and_no_test_image(
    bench: Bench, scope: Scope, measure: Measure
) -> None:
    blind = replace(bench, test=replace(bench.test, images=bench.test.images * 0))
    cell = cell_of(scope, "pair0-1")
    views = cell.compute(blind, cell).figures["views"]
    assert views == measure(cell).figures["views"]
    images = bench.train.images.float()
    chance = torch.Generator().manual_seed(SEED)
    shown = torch.cat([moved(batch, chance) for batch in torch.split(images, BATCH)]).round().byte()
    told = accuracy(logits(original(bench), shown, bench.spec), bench.train.labels)
    assert views["original"] == pytest.approx(told)


def test_each_kind_of_surrogates_is_a_deposit_of_its_own(scope: Scope) -> None:
    cells = hard_views.cells(scope)
    assert [one.setting for one in cells] == [line.setting for line in STUDY.lines]
    assert len({one.deposit_config.surrogates for one in cells}) == len(hard_views.TAUGHT)


def test_the_table_names_what_was_not_run_and_a_picture_is_drawn(
    scope: Scope, measure: Measure, tmp_path: Path
) -> None:
    cells = hard_views.cells(scope)
    ran = {
        "method": "lirf+",
        "setting": cells[0].setting,
        "seed": 0,
        "scale": "full",
        **measure(cells[0]).figures,
    }
    left = [
        {"method": "lirf+", "setting": one.setting, "seed": 0, "not_run": "left out"} for one in cells[1:]
    ]
    text = STUDY.table(STUDY, [ran, *left])
    assert f"{ran['views']['recover']:.2f}" in text
    assert "not run" in text
    STUDY.draw(STUDY, [ran, *left], tmp_path / "views.png")
    assert (tmp_path / "views.png").read_bytes().startswith(b"\x89PNG")
