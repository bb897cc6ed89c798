"""Register a model: from safetensors weights at once, or by a job that trains T0 on a data set."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from app.db.models import Job, Model
from app.db.repositories import models
from app.db.session import Session, Sessions
from app.domain.errors import Conflict, Invalid
from app.domain.ledger import Decision
from app.domain.lifecycle import JobKind
from app.domain.rights import Action, Caller
from app.lirf.checkpoint import check_fit, read_safetensors
from app.lirf.config import TrainConfig
from app.lirf.networks import InputSpec, available, default_split, load_published
from app.lirf.partition import require_split
from app.services.add_version import add_version
from app.services.describe_rows import model_view
from app.services.find import find_dataset, require
from app.services.plans import input_spec, require_image_shape
from app.services.record_decision import record_decision
from app.services.views import ModelView
from app.vault.networks import NetworkPlan, StoredNetwork, store_network


@dataclass(frozen=True)
class ModelOrder:
    """A model as its owner describes it; ``split`` None means the architecture's own."""

    name: str
    architecture: str
    classes: tuple[str, ...]
    input: InputSpec
    split: int | None = None


@dataclass(frozen=True)
class TrainOrder:
    """How to make T0 here."""

    dataset: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class PreparedModel:
    """A checked order, and its network's digests if weights came with it."""

    order: ModelOrder
    plan: NetworkPlan
    stored: StoredNetwork | None

    @property
    def digests(self) -> tuple[str, ...]:
        return (self.stored.shallow, self.stored.deep, self.stored.head) if self.stored else ()


def prepare_model(
    sessions: Sessions, caller: Caller, order: ModelOrder, weights: bytes | None, extra: Sequence[str] = ()
) -> PreparedModel:
    """Check an order and store its weights.

    Args:
        sessions: the database.
        caller: who asks.
        order: the description.
        weights: safetensors under the architecture's published names, or None if T0 is to be trained.
        extra: import paths of architectures that the operator allows.

    Raises:
        Forbidden: the caller may not register models.
        InvalidInputError: unknown architecture, impossible split, or weights that do not fit.
    """
    require(caller, Action.CREATE_MODEL)
    if ":" in order.architecture and order.architecture not in extra:
        # an import path runs code: the operator decides which, not the caller
        raise Invalid(
            f"Architecture {order.architecture!r} is not allowed here.",
            f"Choose one of {', '.join((*available(), *extra))}, or ask the operator to add it to "
            "LIRF_EXTRA_ARCHITECTURES.",
            "architecture",
        )
    if len(set(order.classes)) != len(order.classes):
        raise Invalid("Two classes share a name.", "Give every class a name of its own.", "classes")
    plan = NetworkPlan(order.architecture, len(order.classes), order.input, 0)
    net = plan.empty()
    split = default_split(order.architecture) if order.split is None else order.split
    require_split(net, split)
    plan = NetworkPlan(order.architecture, len(order.classes), order.input, split)
    if weights is None:
        return PreparedModel(order, plan, None)
    tensors = read_safetensors(weights)
    check_fit(tensors, net)
    load_published(net, tensors)
    _try_out(plan)
    return PreparedModel(order, plan, store_network(sessions, net, split))


def register_model(
    session: Session, caller: Caller, prepared: PreparedModel, training: TrainOrder | None
) -> ModelView:
    """Write the model's row, with version 1 if it has weights, or else with the job that trains it."""
    order = prepared.order
    if (prepared.stored is None) == (training is None):
        raise Invalid(
            "A model needs weights or a training, and not both.",
            "Send 'weights' as safetensors, or 'train' with a data set.",
            "weights",
        )
    if models.by_reference(session, order.name) is not None:
        raise Conflict(f"A model {order.name!r} exists already.", "Choose another name.", "name")
    model = Model(
        name=order.name,
        owner_id=caller.principal_id,
        architecture=order.architecture,
        classes=list(order.classes),
        input_spec=asdict(order.input),
        split=prepared.plan.split,
    )
    session.add(model)
    session.flush()
    job = None
    if prepared.stored is not None:
        add_version(session, model, prepared.stored, base=None, sealed=[], metrics=None)
        model.current = 1
    elif training is not None:
        job = _training_job(session, caller, model, training)
    session.flush()
    facts = {"name": model.name, "architecture": model.architecture, "job": job}
    record_decision(session, caller, Decision.MODEL_REGISTERED, model.id, owner=model.owner_id, facts=facts)
    session.refresh(model, ["versions"])
    return model_view(model, job)


def _training_job(session: Session, caller: Caller, model: Model, training: TrainOrder) -> str:
    dataset = find_dataset(session, caller, training.dataset, "train.dataset")
    if list(dataset.classes) != list(model.classes):
        raise Invalid(
            f"The data set's classes are {', '.join(dataset.classes)}.",
            "Register the model with exactly these classes, in this order.",
            "classes",
        )
    require_image_shape(dataset.image_shape, input_spec(model.input_spec), "train.dataset")
    config = TrainConfig(**training.settings)
    job = Job(
        kind=JobKind.TRAIN,
        model_id=model.id,
        owner_id=caller.principal_id,
        payload={"dataset": dataset.id, "config": asdict(config)},
    )
    session.add(job)
    session.flush()
    return job.id


def _try_out(plan: NetworkPlan) -> None:
    """Run one blank image, so that an input too small for the network is told now and not by a prediction."""
    channels, height, width = plan.spec.shape
    try:
        with torch.inference_mode():
            plan.empty().eval()(torch.zeros(1, channels, height, width))
    except RuntimeError as error:
        raise Invalid(
            f"{plan.architecture} cannot read {height}×{width} images ({str(error).splitlines()[0]}).",
            "Choose a larger input or another architecture.",
            "input",
        ) from error
