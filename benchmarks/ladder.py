"""Training from scratch on what a deposit preserves: how many samples until its Pre is reached."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from app.lirf.evaluation import logits, preserved_accuracy
from experiments.reproduce.bench import Bench
from experiments.reproduce.cache import Place
from experiments.reproduce.identity import digest_code
from experiments.reproduce.originals import Trained, trained

CODE = ("app.lirf.train", "app.lirf.evaluation")


@dataclass(frozen=True)
class Rung:
    """One whole training, from the first weights to the end of its one cycle.

    Attributes:
        epochs: its budget.
        samples: epochs × images.
        pre: accuracy on the preserved test images when only preserved classes compete, in percent.
        seconds: of the training.
        commit: of the code that trained.
    """

    epochs: int
    samples: int
    pre: float
    seconds: float
    commit: str


def climb(budgets: Sequence[int], measure: Callable[[int], Rung], pre: float) -> list[Rung]:
    """Measure budgets from the smallest on, and stop at the first whose Pre is at least ``pre``."""
    rungs: list[Rung] = []
    for budget in sorted(set(budgets)):
        rungs.append(measure(budget))
        if rungs[-1].pre >= pre:
            break
    return rungs


def rung_of(bench: Bench, deposited: Sequence[int], seed: int, epochs: int) -> Rung:
    """The training with this budget: from the cache, network and figure alike, if it was made before."""
    config = replace(bench.train_config, epochs=epochs, seed=seed)
    preserved = [index for index in range(len(bench.train.classes)) if index not in deposited]
    facts = {**bench.facts, "deposited": list(deposited), "config": asdict(config)}
    place = Place("retraining", f"{bench.order.net}-{epochs}-epochs-seed{seed}", facts, digest_code(*CODE))
    kept = bench.cache.find(place)
    if kept is None:
        done = trained(bench, preserved, config)
        kept = bench.cache.keep(place, asdict(_measured(bench, deposited, epochs, done)))
    return Rung(**{name: kept[name] for name in Rung.__dataclass_fields__})


def _measured(bench: Bench, deposited: Sequence[int], epochs: int, done: Trained) -> Rung:
    answers = logits(done.net.to(bench.device), bench.test.images, bench.spec)
    record: dict[str, Any] = dict(done.work.record)
    return Rung(
        epochs=epochs,
        samples=sum(record["samples"].values()),
        pre=round(preserved_accuracy(answers, bench.test.labels, deposited), 4),
        seconds=record["seconds"],
        commit=record["commit"],
    )
