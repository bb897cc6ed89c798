import pytest
import torch

from app.lirf.config import DepositConfig
from app.lirf.data.source import open_source
from app.lirf.errors import InvalidInputError
from experiments.reproduce.scale import Scale, share_of


@pytest.mark.parametrize("text", ["full", "train=0.2", "train=0.2,epochs=2", "epochs=3"])
def test_a_scale_is_told_as_it_was_given(text: str) -> None:
    assert Scale.parse(text).text == text
    assert Scale.parse(Scale.parse(text).text) == Scale.parse(text)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("half", "scale"),
        ("images=0.2", "scale"),
        ("train=0.2,train=0.3", "scale"),
        ("train=many", "scale.train"),
        ("train=0", "scale.train"),
        ("test=0.5", "scale"),
        ("train=1.5", "scale.train"),
        ("train=nan", "scale.train"),
        ("epochs=0", "scale.epochs"),
        ("epochs=1.5", "scale.epochs"),
    ],
)
def test_what_is_no_scale_is_refused_by_field(text: str, field: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        Scale.parse(text)
    assert refusal.value.field == field


def test_a_share_keeps_every_class_in_proportion_and_is_always_the_same() -> None:
    whole = open_source("digits", "train")
    part = share_of(whole, 0.2)
    before, after = (torch.bincount(data.labels) for data in (whole, part))
    assert torch.equal(after, (before * 0.2).round().long())
    assert share_of(whole, 0.2).ids == part.ids
    assert share_of(whole, 1.0) is whole
    assert torch.bincount(share_of(whole, 1e-6).labels).tolist() == [1] * 10


def test_epochs_are_exact_whatever_least_number_of_steps_a_method_has() -> None:
    config = DepositConfig.of("lirf+", **Scale(epochs=1).changes)
    assert config.epochs == 1
    assert getattr(config, "min_steps", 1) == 1
    assert Scale().changes == {}
