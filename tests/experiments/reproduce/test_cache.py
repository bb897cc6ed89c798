from dataclasses import replace
from pathlib import Path

import pytest
import torch

from app.lirf.errors import InvalidInputError
from experiments.reproduce.cache import Cache, Place, write_atomically

PLACE = Place("rows", "table1-lirf+/20%/seed0", {"seed": 0, "classes": (0, 1)}, "code")
TENSORS = {"b": torch.tensor([1.0, -0.0, 1e-45]), "a": torch.arange(3)}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path)


def test_content_comes_back_only_where_every_fact_and_the_code_are_equal(cache: Cache) -> None:
    assert cache.find(PLACE) is None
    assert cache.keep(PLACE, {"h": 90.5}) == cache.find(PLACE) == {"h": 90.5, "code": "code"}
    assert cache.find(replace(PLACE, facts={**PLACE.facts, "seed": 1})) is None
    assert cache.find(replace(PLACE, facts={**PLACE.facts, "further": 1})) is None
    assert cache.find(replace(PLACE, code="changed")) is None


def test_other_code_is_taken_only_on_request_and_says_so(cache: Cache) -> None:
    cache.keep(PLACE, {"h": 90.5})
    lenient = replace(cache, any_code=True)
    assert lenient.find(replace(PLACE, code="changed")) == {"h": 90.5, "code": "code", "other_code": True}
    assert lenient.find(replace(PLACE, facts={"seed": 1})) is None


def test_tensors_come_back_bit_for_bit(cache: Cache) -> None:
    cache.keep(PLACE, {"n": 1}, TENSORS)
    found = cache.find_tensors(PLACE)
    assert found is not None
    assert {name: tensor.numpy().tobytes() for name, tensor in found[1].items()} == {
        name: tensor.numpy().tobytes() for name, tensor in TENSORS.items()
    }


def test_tensors_of_a_run_that_ended_before_its_json_are_not_taken(cache: Cache) -> None:
    cache.keep(PLACE, {"n": 1}, TENSORS)
    other = Cache(cache.folder / "other")
    other.keep(PLACE, {"n": 2}, {"a": torch.ones(2)})
    cache._path(PLACE, "safetensors").write_bytes(other._path(PLACE, "safetensors").read_bytes())
    assert cache.find_tensors(PLACE) is None
    cache._path(PLACE, "safetensors").unlink()
    assert cache.find_tensors(PLACE) is None


def test_a_damaged_entry_is_told_by_name(cache: Cache) -> None:
    cache.keep(PLACE, {"n": 1})
    cache._path(PLACE, "json").write_text("{")
    with pytest.raises(InvalidInputError, match=r"cache: .*seed0.*Delete this file"):
        cache.find(PLACE)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_atomically(path, b"before")
    with pytest.raises(TypeError):
        write_atomically(path, "no bytes")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
