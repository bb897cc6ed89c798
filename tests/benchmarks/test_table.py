import copy
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import table
from benchmarks.serving.page import page as serving_page

RESULTS = Path(table.__file__).parent / "results"
MEASURED = {
    "measured": True,
    "reached": True,
    "budgets": [{"epochs": 10, "pre": 88.0}, {"epochs": 15, "pre": 91.0}],
    "deposit_pre": 90.5,
    "deposit_samples": 60_000,
    "samples": 600_000,
    "ratio": 10.0,
    "classes": ["airplane", "automobile"],
    "data": "cifar10",
    "seed": 0,
    "command": "python -m benchmarks.retraining",
}


@pytest.fixture
def record() -> dict[str, Any]:
    return copy.deepcopy(json.loads((RESULTS / "deposit.json").read_text()))


@pytest.mark.parametrize(("name", "render", "page"), table.PLACES)
def test_the_page_shows_the_published_results(name: str, render: Any, page: Path) -> None:
    assert render(json.loads((RESULTS / f"{name}.json").read_text())) in page.read_text()


def test_serving_has_a_page_of_its_own_that_shows_the_published_results() -> None:
    record = json.loads((RESULTS / "serving.json").read_text())
    assert (RESULTS / "serving.md").read_text() == serving_page(record)


def test_every_loop_and_every_ratio_has_its_line(record: dict[str, Any]) -> None:
    shown = table.deposits(record)
    for row in record["rows"]:
        assert f"| `{row['loop']}` | {row['what']} | {row['precision']} |" in shown
    assert len(record["ratios"]) == 5
    for one in record["ratios"]:
        assert f"| `{one['loop']}` against `{one['against']}` | {one['per_epoch']:.2f} |" in shown


def test_what_was_not_measured_says_which_command_does(record: dict[str, Any]) -> None:
    for name in ("whole_deposit", "retraining"):
        record[name] = {"measured": False, "command": f"measure {name}"}
    shown = table.deposits(record)
    assert "**A whole deposit: not measured**; `measure whole_deposit` does." in shown
    assert "**Retraining from scratch: not measured**; `measure retraining` does." in shown


def test_what_was_measured_is_shown(record: dict[str, Any]) -> None:
    record["whole_deposit"] = {
        "measured": True,
        "objective": "lirf+",
        "images": 10_000,
        "epochs": 3,
        "steps": 237,
        "samples": 60_000,
        "seconds": 254.3,
    }
    record["retraining"] = MEASURED
    shown = table.deposits(record)
    assert "10,000 images with `lirf+` took 254 s: 3 epochs, 237 steps, 60,000 samples" in shown
    assert "took 600,000 samples, 10.0 times as many" in shown
    assert "aim: the deposit's Pre of 90.50 (60,000 samples)" in shown
    assert "Pre by budget: 10 epochs 88.00, 15 epochs 91.00 (seed 0, n = 1;" in shown


def test_a_pre_that_was_not_reached_is_said_to_be_so(record: dict[str, Any]) -> None:
    record["retraining"] = {**MEASURED, "reached": False, "ratio_at_least": 10.0}
    assert "did not reach it in 600,000 samples, 10.0 times as many" in table.deposits(record)
