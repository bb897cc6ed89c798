"""From rows to the vault's plans and digests."""

from collections.abc import Sequence
from typing import Any

from app.db import models as rows
from app.domain.errors import Invalid
from app.lirf.data.selection import Selection
from app.lirf.networks import InputSpec
from app.vault.networks import NetworkPlan, StoredNetwork


def input_spec(fields: dict[str, Any]) -> InputSpec:
    return InputSpec(
        channels=fields["channels"],
        height=fields["height"],
        width=fields["width"],
        mean=tuple(fields["mean"]),
        std=tuple(fields["std"]),
    )


def network_plan(model: rows.Model) -> NetworkPlan:
    return NetworkPlan(model.architecture, len(model.classes), input_spec(model.input_spec), model.split)


def stored_network(version: rows.ModelVersion) -> StoredNetwork:
    """The version's digests; the caller has checked that it was not destroyed."""
    if version.shallow_digest is None or version.head_digest is None:
        raise LookupError(f"version {version.number} was destroyed")
    return StoredNetwork(version.shallow_digest, version.deep_digest, version.head_digest)


def module_digests(deposits: list[rows.Deposit]) -> list[tuple[str, dict[str, Any]]]:
    """Digest and description of each deposit's newest module, in order of deposit id."""
    newest = [deposit.modules[-1] for deposit in sorted(deposits, key=lambda deposit: deposit.id)]
    return [(module.digest, module.description) for module in newest if module.digest is not None]


def stored_selection(selector: dict[str, Any]) -> Selection:
    """A selection as a deposit's row holds it: JSON turned its tuples into lists."""
    return Selection(**{name: _frozen(value) for name, value in selector.items()})


def require_image_shape(found: Sequence[int], spec: InputSpec, field: str) -> None:
    """Refuse data whose images are not of the model's size; channels are replicated or merged as needed."""
    if tuple(found[1:]) != (spec.height, spec.width):
        raise Invalid(
            f"Its images are {found[1]}×{found[2]} pixels, the model reads {spec.height}×{spec.width}.",
            "Bring the images to the model's size before the upload.",
            field,
        )


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return {name: tuple(values) for name, values in value.items()}
    return value
