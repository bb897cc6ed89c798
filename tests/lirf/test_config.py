"""Settings of a deposit: what is refused, and the defaults of each objective."""

import pytest

from app.lirf.config import DepositConfig
from app.lirf.errors import InvalidInputError


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"epochs": 0}, "config.epochs"),
        ({"batch_size": 0}, "config.batch_size"),
        ({"learning_rate": 0.0}, "config.learning_rate"),
        ({"learning_rate": float("nan")}, "config.learning_rate"),
        ({"prune_ratio": 1.0}, "config.prune_ratio"),
        ({"lambda_kr": -1.0}, "config.lambda_kr"),
        ({"temperature": 0.0}, "config.temperature"),
        ({"objective": "mirl"}, "config.objective"),
        ({"optimiser": "lion"}, "config.optimiser"),
        ({"surrogates": ("noise",)}, "config.surrogates"),
        ({"objective": "lirf", "surrogates": ("patch_mix",)}, "config.surrogates"),
        ({"shift": -1}, "config.shift"),
        ({"strength": -0.1}, "config.strength"),
        ({"disguise": float("inf")}, "config.disguise"),
        ({"precision": "half"}, "config.precision"),
        ({"speed": 3}, "config.speed"),
    ],
)
def test_settings_out_of_range_are_refused_by_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        DepositConfig.of(**{"objective": "lirf+", **change})
    assert caught.value.field == field
    assert caught.value.remedy


def test_each_objective_has_its_defaults() -> None:
    assert DepositConfig.of("lirf+") == DepositConfig.lirf_plus() == DepositConfig()
    assert DepositConfig.of("lirf", seed=4) == DepositConfig.lirf(seed=4)
    assert DepositConfig.lirf().seal_rows is False
    assert DepositConfig.lirf_plus().seal_rows is True


def test_surrogates_are_refused_where_the_objective_would_not_use_them() -> None:
    with pytest.raises(
        InvalidInputError, match=r"config\.surrogates: .*give none, or choose lirf\+\."
    ) as caught:
        DepositConfig.of("lirf", surrogates=("patch_mix",))
    assert "learns from deposit images alone" in caught.value.remedy
