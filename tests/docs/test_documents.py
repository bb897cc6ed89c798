"""What the documents list by hand is what the code has."""

import re
from pathlib import Path

import pytest

from app.config import Settings
from app.lirf.networks import available
from app.main import create_app

DOCS = Path(__file__).resolve().parents[2] / "docs"
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.mark.parametrize("field", sorted(Settings.model_fields))
def test_every_setting_is_documented(field: str) -> None:
    assert f"`LIRF_{field.upper()}`" in (DOCS / "operations.md").read_text()


def test_no_setting_is_documented_that_does_not_exist() -> None:
    named = set(re.findall(r"`LIRF_([A-Z_]+)`", (DOCS / "operations.md").read_text()))
    clients = {"URL", "API_KEY"}
    assert named - clients == {field.upper() for field in Settings.model_fields}


def test_every_call_is_documented() -> None:
    text = (DOCS / "api.md").read_text()
    called = set(re.findall(r"`(GET|POST|DELETE|PUT|PATCH) (/[^`?\s]*)", text))
    described = {(method, _unnamed(path)) for method, path in called}
    offered = {
        (method.upper(), _unnamed(path))
        for path, operations in create_app(Settings()).openapi()["paths"].items()
        for method in operations
        if method in METHODS
    }
    assert offered <= described
    assert described <= offered


def test_every_architecture_is_documented() -> None:
    text = (DOCS / "api.md").read_text()
    plain = [name for name in available() if not name.endswith("-cifar")]
    assert [name for name in plain if f"`{name}`" not in text] == []


def test_every_decision_is_listed() -> None:
    listed = re.findall(r"\]\((0\d{3}-[^)]+\.md)\)", (DOCS / "adr" / "README.md").read_text())
    assert listed == sorted(path.name for path in (DOCS / "adr").glob("0*.md"))


def _unnamed(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)
