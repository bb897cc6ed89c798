"""Answer images with the net that the caller is entitled to."""

from dataclasses import dataclass
from functools import cached_property
from heapq import nlargest
from typing import Protocol

import torch
from torch import Tensor

from app.db.models import Model, ModelVersion
from app.db.repositories import deposits, models, rights
from app.db.session import Session, Sessions
from app.domain.errors import Gone, Invalid
from app.domain.rights import Action, Caller
from app.inference.composer import Composer, NetKey
from app.inference.decoder import Decoder, decode_small
from app.inference.engine import ServedNet
from app.inference.nets import Probabilities
from app.lirf.data.images import Pixels, fit
from app.lirf.networks import InputSpec
from app.services.find import find_dataset, find_model, require, served_version
from app.services.plans import input_spec, network_plan, open_dataset, stored_modules, stored_network
from app.services.views import ClassProbability, PredictionView
from app.vault.networks import StoredModule


@dataclass(frozen=True)
class Entitlement:
    """Which net a caller is answered by, decided in one snapshot of the database."""

    model: Model
    version: ModelVersion
    deposits: tuple[str, ...]
    modules: list[StoredModule]

    @property
    def net(self) -> str:
        if self.deposits:
            return "recover"
        return "original" if self.version.base is None else "target"

    @cached_property
    def key(self) -> NetKey:
        """Names the caller's net."""
        stored = stored_network(self.model, self.version)
        return NetKey.of(network_plan(self.model), stored, self.modules)

    @cached_property
    def spec(self) -> InputSpec:
        return input_spec(self.model.input_spec)

    @cached_property
    def names(self) -> tuple[str, str]:
        """Of the model and its version, as text."""
        return self.model.name, str(self.version.number)


def entitlement(session: Session, caller: Caller, model: str) -> Entitlement:
    """The served version, and the sealed deposits that this caller has withdrawn."""
    require(caller, Action.PREDICT)
    row = find_model(session, model)
    version = served_version(session, row)
    held = rights.withdrawn_deposits(session, row.id, caller.principal_id)
    # a rolled-back model still knows what was deposited on another line of versions
    lineage = models.lineage(session, row.id, version.number)
    contained = [deposit for deposit in deposits.many(session, held) if deposit.target_version in lineage]
    return Entitlement(row, version, tuple(deposit.id for deposit in contained), stored_modules(contained))


@dataclass(frozen=True)
class Prepared:
    """What the engine needs for an answer, and what the answer says beside it.

    Attributes:
        entitled: whose net it is.
        served: that net, in memory.
        images: uint8 [N, C, H, W].
    """

    entitled: Entitlement
    served: ServedNet
    images: Pixels

    def views(self, probabilities: Probabilities, top_k: int) -> list[PredictionView]:
        """Answers to probabilities [N, classes], with at most ``top_k`` classes each."""
        return [_view(self.entitled, row, top_k) for row in probabilities]


class Images(Protocol):
    """Images that somebody sent or named."""

    def load(self, spec: InputSpec) -> Pixels:
        """Uint8 [N, C, H, W] of the shape that a network reads; it may take its time.

        Raises:
            InvalidInputError: they are damaged or do not fit.
        """

    def load_at_once(self, spec: InputSpec) -> Pixels | None:
        """The same where that is a matter of microseconds and nothing is wrong, else None."""


def prepare_prediction(entitled: Entitlement, composer: Composer, images: Images) -> Prepared:
    """Load the images, and have the net ready by which they are to be answered.

    Nothing is loaded for whoever may not ask, nor held in a shape that does not fit.

    Raises:
        InvalidInputError: of `Images.load`.
        VaultSealed, Gone, Damaged: of `Composer.net`.
    """
    loaded = images.load(entitled.spec)
    return Prepared(
        entitled, ServedNet(composer.net(entitled.key, entitled.modules), *entitled.names), loaded
    )


def prepare_at_once(entitled: Entitlement, composer: Composer, images: Images) -> Prepared | None:
    """`prepare_prediction` if nothing has to be waited for; for the thread that serves everybody."""
    net = composer.ready(entitled.key)
    loaded = None if net is None else images.load_at_once(entitled.spec)
    return (
        None if net is None or loaded is None else Prepared(entitled, ServedNet(net, *entitled.names), loaded)
    )


@dataclass(frozen=True)
class EncodedImages:
    """PNG, JPEG or WebP files; ``field`` names one in a refusal, with ``{row}`` for its number."""

    decoder: Decoder
    files: list[bytes]
    field: str = "image"

    def load(self, spec: InputSpec) -> Pixels:
        return self.decoder.batch(self.files, spec, self.field)

    def load_at_once(self, spec: InputSpec) -> Pixels | None:
        return decode_small(self.files[0], spec) if len(self.files) == 1 else None


@dataclass(frozen=True)
class DatasetRows:
    """Rows of a stored data set; `load` raises as `dataset_images`."""

    sessions: Sessions
    caller: Caller
    dataset: str
    indices: list[int]

    def load(self, spec: InputSpec) -> Pixels:
        return dataset_images(self.sessions, self.caller, self.dataset, self.indices, spec)

    def load_at_once(self, _spec: InputSpec) -> Pixels | None:
        return None


def dataset_images(
    sessions: Sessions, caller: Caller, dataset: str, indices: list[int], spec: InputSpec
) -> Pixels:
    """Rows of a stored data set as a network reads them: uint8 [N, C, H, W].

    Raises:
        NotFound: unknown, or not the caller's.
        Invalid: no such row.
        InvalidInputError: images of another size.
        Gone: an image that left with a deposit.
    """
    with sessions.read() as session:
        row = find_dataset(session, caller, dataset)
        _require_rows(indices, row.rows)
        fit(
            torch.empty((0, *row.image_shape), dtype=torch.uint8), *spec.shape
        )  # before any of them is loaded
        data = open_dataset(session, row)
        if row.removed:
            _require_images(data.index.removed, indices)
        images: Pixels = fit(data.images(indices), *spec.shape).numpy()
        return images


def _require_rows(indices: list[int], rows: int) -> None:
    """Refuse a row number outside 0..rows-1."""
    for index in indices:
        if not 0 <= index < rows:
            raise Invalid(f"Row {index} does not exist.", f"Choose a row from 0 to {rows - 1}.", "index")


def _require_images(removed: Tensor, indices: list[int]) -> None:
    """Refuse a row whose image has left with a deposit."""
    for index in indices:
        if removed[index]:
            raise Gone(
                f"The image of row {index} left the data set when it was deposited.",
                "Send the image itself, or choose another row.",
                "index",
            )


def _view(entitled: Entitlement, probabilities: Probabilities, top_k: int) -> PredictionView:
    classes, values = entitled.model.classes, probabilities.tolist()
    order = nlargest(top_k, range(len(values)), key=values.__getitem__)
    top = [ClassProbability(classes[index], index, values[index]) for index in order]
    return PredictionView(
        entitled.model.name, entitled.version.number, entitled.net, list(entitled.deposits), top
    )
