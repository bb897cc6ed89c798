"""What can be read of the deposited classes from a net's features, by a probe and by prototypes."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from app.lirf.audits.features import penultimate
from app.lirf.audits.probe import linear_probe
from app.lirf.audits.prototypes import prototype_attack
from app.lirf.evaluation import class_mask
from app.lirf.networks import Network
from experiments.reproduce.bench import Bench
from experiments.reproduce.measures.audited import audited
from experiments.reproduce.measures.draws import some_rows
from experiments.reproduce.measures.figures import BATCH
from experiments.reproduce.study import Cell, Measured


@dataclass(frozen=True)
class Features:
    """What the classifier layer of one net reads.

    Attributes:
        train: float32 [N, F], of the attacker's images of all classes.
        train_labels: int64 [N].
        test: float32 [M, F], of all test images of the deposited classes.
        test_labels: int64 [M].
        num_classes: of the net.
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    num_classes: int


def read(bench: Bench, cell: Cell) -> Measured:
    """``probe``, ``prototypes`` and the output's figures of the net that `audited` gives."""
    found = audited(bench, cell)
    features = features_of(bench, found.net, cell.arguments)
    return found.measured(
        {
            "probe": probe(features),
            "prototypes": prototypes(features, cell.arguments),
            "attacker_images": {"probe": len(features.train)},
        }
    )


def features_of(bench: Bench, net: Network, arguments: Mapping[str, Any]) -> Features:
    """Features of ``probe.images`` random training images, at most the ``share`` of all, and of the test images."""
    asked = arguments["probe"]
    rows = some_rows(bench.train, asked["images"], arguments["share"], asked["draw"])
    mask = class_mask(bench.test.labels, arguments["classes"])
    bench.watch("read features", 0, 1)
    return Features(
        penultimate(net, bench.train.images[rows], bench.spec, BATCH),
        bench.train.labels[rows],
        penultimate(net, bench.test.images[mask], bench.spec, BATCH),
        bench.test.labels[mask],
        len(bench.train.classes),
    )


def probe(features: Features) -> float:
    """Accuracy of a linear probe on the deposited test images, percent."""
    said = linear_probe(features.train, features.train_labels, features.test, features.num_classes)
    return _share(said, features.test_labels)


def prototypes(features: Features, arguments: Mapping[str, Any]) -> dict[str, float]:
    """``mean`` and sample deviation ``std`` over draws of the prototype attack's accuracy, percent."""
    said = prototype_attack(features.train, features.train_labels, features.test, **arguments["prototypes"])
    found = [_share(one, features.test_labels) for one in said]
    return {
        "mean": statistics.fmean(found),
        "std": statistics.stdev(found) if len(found) > 1 else 0.0,
    }


def _share(said: Tensor, labels: Tensor) -> float:
    return float((said == labels).double().mean()) * 100
