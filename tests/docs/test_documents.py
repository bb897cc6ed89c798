"""What the documents list by hand is what the code has."""

import re
from pathlib import Path

import pytest
import torch

from app.config import Settings
from app.lirf.checkpoint import write_safetensors
from app.lirf.module import LEVEL
from app.lirf.networks import available, create, default_split, published_state
from app.lirf.partition import partition
from app.lirf.pruning import prune
from app.lirf.rows import take_rows
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


def test_the_table_of_module_sizes_is_what_modules_weigh() -> None:
    section = (DOCS / "method.md").read_text().split("\n## Size of a module\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([\d.]+) \| ([\d,]+) \| (\d+) \|$", section, re.MULTILINE)
    assert [float(ratio) for ratio, _, _ in rows] == [0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
    sizes = [_module_bytes(float(ratio)) for ratio, _, _ in rows]
    assert [(size, share) for _, size, share in rows] == [
        (f"{size:,}", f"{100 * size / sizes[0]:.0f}") for size in sizes
    ]


def test_every_decision_is_listed() -> None:
    listed = re.findall(r"\]\((0\d{3}-[^)]+\.md)\)", (DOCS / "adr" / "README.md").read_text())
    assert listed == sorted(path.name for path in (DOCS / "adr").glob("0*.md"))


def _module_bytes(ratio: float) -> int:
    """A module for two of ten classes of a ResNet-20, as the vault stores it."""
    net = create("resnet20", num_classes=10).frozen()
    shallow, _ = partition(net, default_split("resnet20"))
    branch = published_state(prune(shallow, ratio, (3, 32, 32)))
    return len(write_safetensors({**branch, **take_rows(net, (0, 1)), LEVEL: torch.zeros(10)}))


def _unnamed(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)
