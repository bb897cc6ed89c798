import ast
import sys
from pathlib import Path

import pytest

from experiments.reproduce import identity
from experiments.reproduce.identity import digest_code, digest_facts, plain


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose ``top`` imports ``deep`` and does not import ``other``."""
    folder = tmp_path / "made_here"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "top.py").write_text('"""Top."""\n\nfrom made_here import deep\n\nVALUE = deep.f()\n')
    (folder / "deep.py").write_text('def f() -> int:\n    """Deep."""\n    return 1  # one\n')
    (folder / "other.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(identity, "FOLLOWED", ("made_here",))
    forget()
    yield folder
    forget()
    for name in [name for name in sys.modules if name.startswith("made_here")]:
        del sys.modules[name]


def forget() -> None:
    identity._followed.cache_clear()
    digest_code.cache_clear()


def digest() -> str:
    """As another run finds it."""
    forget()
    return digest_code("made_here.top")


def test_only_code_that_is_reached_counts_and_of_it_no_comment(package: Path) -> None:
    before = digest()
    (package / "other.py").write_text("VALUE = 2\n")
    (package / "deep.py").write_text('def f() -> int:\n    """Said better."""\n\n    return (1)\n')
    assert digest() == before
    (package / "deep.py").write_text("def f() -> int:\n    return 2\n")
    assert digest() != before


def test_a_run_names_the_code_that_it_began_with(package: Path) -> None:
    identity.remember_code()
    (package / "deep.py").write_text("def f() -> int:\n    return 2\n")
    begun = digest_code("made_here.top")
    assert digest() != begun
    (package / "deep.py").write_text("def f() -> int:\n    return 1\n")
    assert digest() == begun


def test_the_code_of_a_deposit_reaches_what_it_minimises_and_not_the_bench() -> None:
    found = identity._closure(["app.lirf.deposit", "experiments.reproduce.measures.whole_classes"])
    assert {"app.lirf.objectives", "app.lirf.losses", "app.lirf.config", "app.lirf.networks.network"} <= set(
        found
    )
    assert "experiments.reproduce.measures.figures" in found
    assert not {"experiments.reproduce.bench", "experiments.reproduce.run", "app.cli.main"} & set(found)
    assert all(ast.parse(text) for text in found.values())


def test_code_that_cannot_be_read_is_no_code_that_stayed_the_same() -> None:
    with pytest.raises(ModuleNotFoundError):
        digest_code("app.lirf.no_such_module")


def test_facts_are_equal_as_json_has_them() -> None:
    assert plain({"b": (1, 2), "a": 1}) == {"a": 1, "b": [1, 2]}
    assert digest_facts({"a": 1, "b": 2}) == digest_facts({"b": 2, "a": 1})
    assert digest_facts({"a": 1}) != digest_facts({"a": 2})
