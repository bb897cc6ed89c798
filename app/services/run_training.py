"""Train T0 on a data set and make it version 1 of its model."""

from app.db.models import Job
from app.db.repositories import datasets, models
from app.domain.errors import Gone
from app.inference.compute import Compute
from app.lirf.config import TrainConfig
from app.lirf.data.images import fit
from app.lirf.train import seed_everything, train
from app.services.add_version import add_version
from app.services.claim import Claim
from app.services.find import find_model
from app.services.plans import network_plan
from app.vault import datasets as dataset_store
from app.vault.networks import store_network
from app.vault.vault import Vault


def run_training(vault: Vault, job: Job, claim: Claim, compute: Compute) -> None:
    """Do a job of kind ``train``; the version, the pointer and the job's end are one transaction."""
    sessions = vault.sessions
    claim.phase("loading")
    config = TrainConfig(**job.payload["config"])
    with sessions.read() as session:
        model = find_model(session, job.model_id)
        dataset = datasets.by_reference(session, job.payload["dataset"])
    if dataset is None:
        raise LookupError(f"data set {job.payload['dataset']} is gone")
    plan = network_plan(model)
    index = dataset_store.load_index(sessions, dataset.index_digest)
    there = (~index.removed).nonzero().flatten()
    if not len(there):
        raise Gone(
            f"All images of {dataset.name!r} left it with deposits.", "Train on another data set.", "train"
        )
    images = dataset_store.load_images(sessions, dataset.pixels_digest, dataset.image_shape, there.tolist())
    compute.settle(plan.spec)
    seed_everything(config.seed)
    net = train(
        plan.empty(),
        plan.spec,
        fit(images, *plan.spec.shape),
        index.labels[there],
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
