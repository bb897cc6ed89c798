"""The Grafana dashboard asks for nothing that the service does not tell."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx
import pytest

Json = dict[str, Any]
Headers = dict[str, str]

DASHBOARD: Json = json.loads(
    (Path(__file__).resolve().parents[2] / "docs" / "grafana" / "lirf-server.json").read_text(
        encoding="utf-8"
    )
)
PANELS: list[Json] = DASHBOARD["panels"]
CHARTS = [panel for panel in PANELS if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in CHARTS for target in panel["targets"]]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
OF_PROMETHEUS = {"instance", "job"}
NOT_SHOWN = re.compile(r"_created$")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


@pytest.fixture(scope="module")
def told(http: httpx.Client, owner: Headers, model: str) -> str:
    """Both expositions, after a prediction."""
    tensor = {"name": "image", "shape": [1, 1, 8, 8], "datatype": "UINT8", "data": [0] * 64}
    answer = http.post(f"/v2/models/{model}/infer", json={"inputs": [tensor]}, headers=owner)
    assert answer.status_code == 200
    return http.get("/metrics").text + http.get("/v2/metrics", headers=owner).text


@pytest.fixture(scope="module")
def names(told: str) -> dict[str, set[str]]:
    """The names of series by that of their family."""
    types = re.findall(r"^# TYPE (\w+) (\w+)$", told, re.MULTILINE)
    return {name: {name + suffix for suffix in SUFFIXES[kind]} for name, kind in types}


def asked_for(expression: str) -> set[str]:
    """Names of series in PromQL: identifiers that are no function, no label and no keyword."""
    plain = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\bby \([^)]*\)', " ", expression)
    return set(re.findall(r"\b[a-z_]\w*\b(?!\s*\()", plain)) - {"sum", "max"}


def labels_of(expression: str) -> set[str]:
    grouped = re.findall(r"\bby \(([^)]*)\)", expression)
    matched = re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', expression)
    return {label.strip() for group in grouped for label in group.split(",")} | set(matched)


def test_names_are_found_in_expressions() -> None:
    expression = 'sum by (le, a) (rate(x_bucket{b="c{", d=~"e"}[5m])) / max(y_total[$__rate_interval]) * 2'
    assert asked_for(expression.replace("c{", "c")) == {"x_bucket", "y_total"}
    assert labels_of(expression) == {"le", "a", "b", "d"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_for_series_and_labels_that_exist(
    names: dict[str, set[str]], told: str, expression: str
) -> None:
    assert asked_for(expression)
    assert asked_for(expression) <= set().union(*names.values())
    assert labels_of(expression) <= set(re.findall(r'[{,](\w+)="', told)) | OF_PROMETHEUS
    legends = {
        target["legendFormat"]
        for panel in CHARTS
        for target in panel["targets"]
        if target["expr"] == expression
    }
    shown = {label for legend in legends for label in re.findall(r"\{\{(\w+)\}\}", legend)}
    assert shown <= labels_of(expression) | OF_PROMETHEUS


def test_every_figure_of_the_service_is_shown(names: dict[str, set[str]]) -> None:
    shown = set().union(*map(asked_for, EXPRESSIONS))
    own = {name for name in names if name.startswith("lirf_") and not NOT_SHOWN.search(name)}
    assert {name for name in own if not names[name] & shown} == set()


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    places = [(panel["title"], panel["gridPos"]) for panel in PANELS]
    for title, place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24, title
    for (one, a), (other, b) in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or below, f"{one} lies over {other}"


def test_every_panel_reads_the_source_that_its_reader_chose() -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    for panel in CHARTS:
        assert [panel["datasource"], *(target["datasource"] for target in panel["targets"])] == [SOURCE] * (
            1 + len(panel["targets"])
        )
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
