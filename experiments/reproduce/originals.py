"""T0 and networks trained on a part of the data: read, or trained once and kept."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from app.lirf.checkpoint import check_fit, read_torch_checkpoint
from app.lirf.config import TrainConfig
from app.lirf.data.dataset import ImageDataset
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import class_mask
from app.lirf.networks import Network, create, load_published, published_state
from app.lirf.train import seed_everything, train
from experiments.reproduce.bench import Bench
from experiments.reproduce.cache import Place
from experiments.reproduce.identity import FORMAT, digest_code, digest_images, digest_net
from experiments.reproduce.study import Work

CODE = ("app.lirf.train", "app.lirf.networks")


@dataclass(frozen=True)
class Trained:
    """A network and the training behind it."""

    net: Network
    work: Work


def empty(bench: Bench) -> Network:
    return create(bench.order.net, len(bench.train.classes), bench.spec.channels)


def original(bench: Bench) -> Network:
    """T0: the given checkpoint, or a network trained on all classes; the same for every seed of a deposit.

    Raises:
        InvalidInputError: a checkpoint that does not fit the architecture and the classes.
    """
    if bench.order.weights is None:
        return trained(bench, None, bench.train_config).net
    tensors, net = read_torch_checkpoint(bench.order.weights), empty(bench)
    try:
        check_fit(tensors, net)
    except InvalidInputError as error:
        raise InvalidInputError(
            "weights",
            error.problem,
            f"Give a checkpoint of {bench.order.net} for this data, or another --net.",
        ) from error
    return load_published(net, tensors).frozen()


def original_digest(bench: Bench) -> str | None:
    """T0's name by its content; None if it is still to be trained."""
    known = bench.order.weights is not None or _find(bench, None, bench.train_config) is not None
    return digest_net(original(bench)) if known else None


def original_source(bench: Bench) -> str:
    """In words: where T0 comes from."""
    if bench.order.weights is not None:
        return bench.order.weights.name
    config = bench.train_config
    return f"trained here, {config.epochs} epochs, seed {config.seed}"


def trained(bench: Bench, classes: Sequence[int] | None, config: TrainConfig) -> Trained:
    """A network trained on the samples of these classes alone, all of them if None; trained once and kept."""
    kept = _find(bench, classes, config)
    if kept is not None:
        return kept
    data = _samples(bench, classes)
    seed_everything(config.seed)
    title = "train the original net" if classes is None else f"train on {len(classes)} classes alone"
    started = time.perf_counter()
    net = train(
        empty(bench),
        bench.spec,
        data.images,
        data.labels,
        config,
        device=bench.device,
        on_step=bench.on_step(title),
    )
    record = {
        "trained_on": [data.classes[index] for index in classes or range(len(data.classes))],
        "config": asdict(config),
        "samples": {"train": len(data) * config.epochs},
        "seconds": round(time.perf_counter() - started, 3),
        **bench.where,
    }
    kept_record = bench.cache.keep(_place(bench, classes, config), record, published_state(net))
    return Trained(net, Work(kept_record, fresh=True))


def _find(bench: Bench, classes: Sequence[int] | None, config: TrainConfig) -> Trained | None:
    found = bench.cache.find_tensors(_place(bench, classes, config))
    if found is None:
        return None
    content, tensors = found
    return Trained(load_published(empty(bench), tensors).frozen(), Work(content, fresh=False))


def _place(bench: Bench, classes: Sequence[int] | None, config: TrainConfig) -> Place:
    facts = {
        "format": FORMAT,
        "data": digest_images(_samples(bench, classes)) if classes is not None else bench.train_digest,
        "net": bench.order.net,
        "input": asdict(bench.spec),
        "config": asdict(config),
    }
    which = "all" if classes is None else "classes-" + "-".join(map(str, classes))
    return Place("networks", f"{bench.order.net}-{which}-seed{config.seed}", facts, digest_code(*CODE))


def _samples(bench: Bench, classes: Sequence[int] | None) -> ImageDataset:
    if classes is None:
        return bench.train
    return bench.train.subset(class_mask(bench.train.labels, classes).nonzero().flatten())
