"""The loops that are compared: same network, images, batch size and optimiser step; what differs is how."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from app.lirf.config import DepositConfig, Progress
from app.lirf.deposit import deposit
from app.lirf.precision import bfloat16_pays
from benchmarks.algorithm1 import deposit_by_algorithm1, losses_term_by_term
from benchmarks.plain_plus import deposit_plainly
from benchmarks.subject import Subject

Tell = Callable[[Progress], None]


class Run(Protocol):
    """Makes a deposit and tells of every step."""

    def __call__(self, subject: Subject, config: DepositConfig, on_step: Tell) -> object: ...


@dataclass(frozen=True)
class Contestant:
    """A loop and its settings.

    Attributes:
        what: one line for readers.
        run: the loop.
        config: its settings.
        precision: of its products.
    """

    what: str
    run: Run
    config: DepositConfig
    precision: str

    @property
    def samples_per_step(self) -> int:
        """Deposit images and surrogates."""
        return self.config.batch_size * (2 if self.config.surrogates else 1)


@dataclass(frozen=True)
class Pair:
    """Two contestants, and what their ratio says."""

    faster: str
    slower: str
    says: str


PAIRS = (
    Pair("lirf", "naive", "like for like: same objective, same samples"),
    Pair("lirf", "naive-by-term", "the same against the slower reading"),
    Pair("lirf+", "naive", "one method for the other; `lirf+` also takes surrogates"),
    Pair("lirf+", "naive-by-term", "the same against the slower reading"),
    Pair("lirf+", "naive+", "like for like: same objective, same samples"),
)


def contestants(seed: int, **changes: int) -> dict[str, Contestant]:
    """All of them with the default settings of their objective, but for ``changes``."""
    paper, plus = DepositConfig.lirf(seed=seed, **changes), DepositConfig.lirf_plus(seed=seed, **changes)
    native = "bfloat16" if bfloat16_pays("cpu") else "float32"
    by_term = partial(_algorithm1, term_by_term=True)
    return {
        "lirf+": Contestant("this project's objective, `app.lirf.deposit`", _deposit, plus, native),
        "lirf": Contestant("the paper's objective, `app.lirf.deposit`", _deposit, paper, native),
        "naive": Contestant(
            "Algorithm 1 as it reads, each network asked once", _algorithm1, paper, "float32"
        ),
        "naive-by-term": Contestant("Algorithm 1, each loss asks for itself", by_term, paper, "float32"),
        "naive+": Contestant("the objective of `lirf+` in a plain loop", _plainly, plus, "float32"),
    }


def _deposit(subject: Subject, config: DepositConfig, on_step: Tell) -> object:
    return deposit(
        subject.original, subject.spec, subject.split, [subject.deposit_set], config, on_step=on_step
    )


def _algorithm1(
    subject: Subject, config: DepositConfig, on_step: Tell, *, term_by_term: bool = False
) -> object:
    how = {"calculate": losses_term_by_term} if term_by_term else {}
    return deposit_by_algorithm1(
        subject.original, subject.spec, subject.split, subject.deposit_set, config, on_step=on_step, **how
    )


def _plainly(subject: Subject, config: DepositConfig, on_step: Tell) -> object:
    return deposit_plainly(
        subject.original, subject.spec, subject.split, subject.deposit_set, config, on_step=on_step
    )
