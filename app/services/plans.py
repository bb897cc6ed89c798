"""From rows to the vault's plans and digests."""

from collections.abc import Sequence
from typing import Any

from app.db import models as rows
from app.db.session import Session
from app.domain.errors import Invalid, VaultSealed
from app.lirf.data.selection import Selection
from app.lirf.networks import InputSpec
from app.vault.datasets import OpenDataset, StoredDataset
from app.vault.networks import NetworkPlan, StoredModule, StoredNetwork
from app.vault.sealing import Label
from app.vault.vault import Seal


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


def stored_network(model: rows.Model, version: rows.ModelVersion) -> StoredNetwork:
    """The version's digests; the caller has checked that it was not destroyed."""
    if version.shallow_digest is None or version.head_digest is None:
        raise LookupError(f"version {version.number} was destroyed")
    seal = None if version.key_id is None else Seal(version.key_id, original_label(model, version.number))
    return StoredNetwork(version.shallow_digest, version.deep_digest, version.head_digest, seal)


def stored_modules(deposits: list[rows.Deposit]) -> list[StoredModule]:
    """Each deposit's newest module, in order of deposit id.

    Raises:
        VaultSealed: for a module that an earlier release stored in the clear and no start has sealed yet.
    """
    newest = [(deposit, deposit.modules[-1]) for deposit in sorted(deposits, key=lambda deposit: deposit.id)]
    return [_stored_module(deposit, module) for deposit, module in newest if module.digest is not None]


def module_label(deposit: rows.Deposit, version: int) -> Label:
    return Label(deposit.owner_id, deposit.id, version, "module")


def open_dataset(session: Session, dataset: rows.Dataset) -> OpenDataset:
    """The data set of a row that was read in this session."""
    stored = StoredDataset(dataset.pixels_digest, dataset.index_digest)
    return OpenDataset(session, stored, dataset.image_shape)


def to_model_classes(dataset: rows.Dataset, model: rows.Model, field: str) -> list[int]:
    """Per class of the data set, its index in the model."""
    position = {name: index for index, name in enumerate(model.classes)}
    unknown = [name for name in dataset.classes if name not in position]
    if unknown:
        raise Invalid(
            f"The model has no class {unknown[0]!r}; it knows {', '.join(model.classes)}.",
            "Name the data set's classes as the model does.",
            field,
        )
    return [position[name] for name in dataset.classes]


def images_label(deposit: rows.Deposit) -> Label:
    return Label(deposit.owner_id, deposit.id, 1, "images")


def original_label(model: rows.Model, number: int) -> Label:
    return Label(model.owner_id, model.id, number, "original")


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


def _stored_module(deposit: rows.Deposit, module: rows.DepositModuleVersion) -> StoredModule:
    if module.digest is None or module.key_id is None:
        raise VaultSealed(
            f"The module of {deposit.id} was never sealed.",
            "An operator seals it by starting the service while the vault is open.",
        )
    seal = Seal(module.key_id, module_label(deposit, module.version))
    return StoredModule(module.digest, module.size, module.description, seal)
