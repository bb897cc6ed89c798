"""Train T0 on a data set and make it version 1 of its model."""

from app.db.models import Job
from app.db.repositories import models
from app.domain.errors import Gone
from app.inference.compute import Compute
from app.lirf.config import TrainConfig
from app.lirf.data.images import fit
from app.lirf.train import seed_everything, train
from app.services.add_version import add_version
from app.services.claim import Claim
from app.services.find import dataset_of, find_model
from app.services.plans import network_plan, open_dataset
from app.vault.networks import store_network
from app.vault.vault import Vault


def run_training(vault: Vault, job: Job, claim: Claim, compute: Compute) -> None:
    """Do a job of kind ``train``; the version, the pointer and the job's end are one transaction."""
    sessions = vault.sessions
    claim.phase("loading")
    config = TrainConfig(**job.payload["config"])
    with sessions.read() as session:
        model = find_model(session, job.model_id)
        dataset = dataset_of(session, job.payload["dataset"])
        data = open_dataset(session, dataset)
        there = (~data.index.removed).nonzero().flatten()
        if not len(there):
            raise Gone(
                f"All images of {dataset.name!r} left it with deposits.",
                "Train on another data set.",
                "train",
            )
        images, labels = data.images(there.tolist()), data.index.labels[there]
    plan = network_plan(model)
    compute.settle(plan.spec)
    seed_everything(config.seed)
    net = train(
        plan.empty(),
        plan.spec,
        fit(images, *plan.spec.shape),
        labels,
        config,
        device=compute.device,
        on_step=claim.step,
    )
    claim.phase("storing")
    stored = store_network(sessions, net, plan.split)
    with sessions.write() as session:
        claim.succeed(session)
        number = add_version(
            session, find_model(session, model.id), stored, base=None, sealed=[], metrics=None
        )
        models.move_current(session, model.id, expected=None, to=number)
