"""What retraining has to reach, and what the deposit took for it: read, made, or told."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.lirf.config import DepositConfig
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import accuracies, class_mask, logits
from experiments.reproduce.bench import Bench
from experiments.reproduce.deposits import class_set, deposited
from experiments.reproduce.originals import original


@dataclass(frozen=True)
class Wanted:
    """A deposit's target net.

    Attributes:
        pre: its accuracy on preserved test images, in percent.
        samples: that the deposit processed, surrogates counted.
        source: for readers, where both come from.
    """

    pre: float
    samples: int
    source: str


def from_record(bench: Bench, path: Path, classes: Sequence[int], config: DepositConfig) -> Wanted:
    """The deposit of these classes in a file of `lirf reproduce`.

    Raises:
        InvalidInputError: no such file, or no finished row of this objective, seed, network, scale and classes.
    """
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text())["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(
            "record", f"{path.name} cannot be read.", "Give a file that `lirf reproduce` wrote."
        ) from error
    asked = {
        "method": config.objective,
        "seed": config.seed,
        "net": bench.order.net,
        "scale": bench.order.scale.text,
    }
    for row in rows:
        same = all(row.get(name) == value for name, value in asked.items())
        if same and row.get("arguments", {}).get("classes") == list(classes) and "target" in row:
            samples = sum(row["samples"].values())
            return Wanted(float(row["target"]["pre"]), samples, f"{path.name}, {row['setting']}")
    raise InvalidInputError(
        "record",
        f"{path.name} has no finished deposit of classes {list(classes)} by {config.objective}, seed {config.seed}.",
        "Give another file or other classes, or give --pre.",
    )


def from_cache(bench: Bench, classes: Sequence[int], config: DepositConfig) -> Wanted:
    """The deposit itself, made now unless `lirf reproduce` or an earlier run has made it."""
    done = deposited(bench, original(bench), [class_set(bench, classes)], config)
    mask = class_mask(bench.test.labels, classes)
    answers = logits(done.target.to(bench.device), bench.test.images, bench.spec)
    pre = accuracies(answers, bench.test.labels, mask)["pre"]
    return Wanted(pre, sum(done.work.record["samples"].values()), "measured on the deposit")


def from_figure(bench: Bench, pre: float, classes: Sequence[int], config: DepositConfig) -> Wanted:
    """A Pre that is given; the samples follow from the settings."""
    if not 0 < pre <= 100:  # noqa: PLR2004
        raise InvalidInputError("pre", f"{pre} is no accuracy.", "Give percent, e.g. 90.68.")
    images = int(class_mask(bench.train.labels, classes).sum())
    return Wanted(pre, samples_of(config, images), "given")


def samples_of(config: DepositConfig, images: int) -> int:
    """Samples that a deposit of so many images processes: its epochs, raised to ``min_steps``, × all per epoch."""
    steps = -(-images // config.batch_size)
    epochs = max(config.epochs, -(-config.min_steps // steps))
    return epochs * images * (2 if config.surrogates else 1)
