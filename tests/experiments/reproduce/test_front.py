from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.lirf.config import DepositConfig
from experiments.reproduce.bench import Bench
from experiments.reproduce.measures.audited import audited
from experiments.reproduce.measures.reading import features_of, probe
from experiments.reproduce.studies import front, load, table1
from experiments.reproduce.study import Cell, Measured, Row, Scope

STUDY = load("front")
Measure = Callable[[Cell], Measured]


def cell_of(scope: Scope, method: str, setting: str) -> Cell:
    (cell,) = [one for one in front.cells(scope) if (one.method, one.setting) == (method, setting)]
    return cell


def test_one_field_of_each_method_is_varied_and_no_other(scope: Scope) -> None:
    for method, (field, values) in front.VARIED.items():
        configs = [cell.deposit_config for cell in front.cells(scope) if cell.method == method]
        plain = scope.config(method, 0)
        assert configs == [replace(plain, **{field: value}) for value in values]
        assert plain in configs  # whose deposit the other studies have


def test_the_default_is_the_deposit_of_table_1(
    bench: Bench, scope: Scope, measure: Measure, made: list[DepositConfig]
) -> None:
    for method, (field, _) in front.VARIED.items():
        (same,) = [cell for cell in table1.cells(scope) if cell.key == f"{method}/20%/seed0"]
        plain = measure(same).figures
        before = len(made)
        default = getattr(scope.config(method, 0), field)
        cell = cell_of(scope, method, front.setting_of(field, default))
        row = measure(cell).figures
        assert len(made) == before
        assert row["target"] == plain["target"]
        assert row["probe"] == probe(features_of(bench, audited(bench, cell).net, cell.arguments))


def test_a_greater_strength_is_another_target(scope: Scope, measure: Measure) -> None:
    weak, strong = (
        measure(cell_of(scope, "lirf+", setting)).figures for setting in ("strength=0", "strength=3")
    )
    assert weak["target"] != strong["target"]
    assert weak["prototypes"] != strong["prototypes"]


def test_the_original_is_read_once_and_the_retrained_network_on_request(
    scope: Scope, measure: Measure
) -> None:
    cells = front.cells(replace(scope, seeds=(0, 1)))
    assert [cell.key for cell in cells if cell.method == "original"] == ["original/original/seed0"]
    assert [cell.not_run for cell in cells if cell.method == "retrained"] == ["needs --independent"]
    row = measure(cell_of(scope, "original", "original")).figures
    assert row["probe"] > 80
    assert row["prototypes"]["mean"] > 50


def row_of(method: str, setting: str, seed: int, probed: float) -> Row:
    output = {"pre": 90.0, "dep": 5.0, "avg": 80.0, "h": 88.0}
    figures: dict[str, Any] = {"original": output, "retrained": output}
    if method in front.VARIED:
        kept = {f"{name}_rows_kept": output[name] for name in ("pre", "dep", "h")}
        figures = {"original": output, "target": {**output, **kept}, "recover": {"avg": 89.0}}
    return {
        "method": method,
        "setting": setting,
        "seed": seed,
        **figures,
        "probe": probed,
        "prototypes": {"mean": probed - 20, "std": 1.0},
    }


ROWS = [
    row_of("original", "original", 0, 96.0),
    row_of("retrained", "retrained", 0, 71.0),
    row_of("lirf+", "strength=0.5", 0, 92.0),
    row_of("lirf+", "strength=0.5", 1, 90.0),
    row_of("lirf+", "strength=3", 0, 85.0),
]


def test_each_setting_has_its_line_and_references_have_theirs() -> None:
    lines = {
        line.split(" | ")[0].strip("| "): line.split(" | ")[1:]
        for line in STUDY.table(STUDY, ROWS).splitlines()
    }
    assert lines["original"][:4] == ["ours", "96.00", "76.00", "90.00"]
    assert lines["retrained"][-2:] == ["", "1 |"]
    assert lines["strength 0.5"][:2] == ["lirf+", "91.00 ± 1.41"]
    assert lines["lambda_kr 4"][0:2] == ["lirf", "not run"]


@pytest.mark.parametrize("rows", [ROWS, ROWS[:2], ROWS[2:]])
def test_the_picture_writes_the_setting_beside_each_point_and_marks_the_references(
    rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.axes import Axes  # noqa: PLC0415

    written: list[tuple[str, tuple[float, float]]] = []
    lines: list[float] = []
    annotate, vertical = Axes.annotate, Axes.axvline

    def listen(self: Axes, text: str, xy: tuple[float, float], **options: Any) -> Any:
        written.append((text, xy))
        return annotate(self, text, xy, **options)

    def mark(self: Axes, x: float, **options: Any) -> Any:
        lines.append(x)
        return vertical(self, x, **options)

    monkeypatch.setattr(Axes, "annotate", listen)
    monkeypatch.setattr(Axes, "axvline", mark)
    STUDY.draw(STUDY, rows, tmp_path / "front.png")
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    if ROWS[2] in rows:
        assert ("0.5", (91.0, 89.0)) in written
        assert ("3", (85.0, 89.0)) in written
        assert len(written) == 2 * 2 * 3
    if ROWS[0] in rows:
        assert set(lines) == {96.0, 71.0, 76.0, 51.0}
