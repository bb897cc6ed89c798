"""What a network still knows of deposited classes, to an attacker who holds the weights and labelled images."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from app.lirf.audits.features import penultimate
from app.lirf.audits.probe import linear_probe
from app.lirf.audits.prototypes import prototype_attack
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import accuracy, class_mask, logits
from app.lirf.networks import InputSpec, Network

SHOTS = 5
DRAWS = 20
FEWEST = 2 * SHOTS
"""Images per class: half of them are the attacker's, who draws SHOTS of them."""


@dataclass(frozen=True)
class Questions:
    """Labelled images, of which the attacker holds one half of each class and is asked about the other.

    Attributes:
        images: uint8 [N, C, H, W].
        labels: int64 [N], the network's classes.
        deposited: class indices whose knowledge should be gone.
        seed: of the halving, and of the prototypes' draws.
    """

    images: Tensor
    labels: Tensor
    deposited: tuple[int, ...]
    seed: int = 0


def audit(net: Network, spec: InputSpec, questions: Questions) -> dict[str, Any]:
    """Accuracies in percent of deposited and of kept classes' images, by three ways to ask the network.

    ``output`` is the network's own answer; ``probe`` a new linear layer on its features (`linear_probe`);
    ``prototypes`` the nearest of SHOTS images' means (`prototype_attack`, mean and sample deviation of DRAWS draws).
    ``images`` counts the attacker's and those asked about. The kept classes are the control: a probe that reads the
    deposited classes as well as the kept ones reads what any network of this kind would show it.

    Raises:
        InvalidInputError: `require_questions`.
    """
    require_questions(questions.labels, questions.deposited)
    own = _attackers_half(questions.labels, questions.seed)
    features = penultimate(net, questions.images, spec)
    labels = questions.labels[~own]
    deposited = class_mask(labels, questions.deposited)

    def shares(said: Tensor) -> dict[str, float]:
        right = (said == labels).double() * 100
        return {"deposited": float(right[deposited].mean()), "kept": float(right[~deposited].mean())}

    answers = logits(net, questions.images[~own], spec)
    probed = linear_probe(features[own], questions.labels[own], features[~own], answers.shape[1])
    drawn = prototype_attack(
        features[own], questions.labels[own], features[~own], shots=SHOTS, draws=DRAWS, seed=questions.seed
    )
    return {
        "images": {
            "attacker": int(own.sum()),
            "deposited": int(deposited.sum()),
            "kept": int((~deposited).sum()),
        },
        "output": {
            "deposited": accuracy(answers[deposited], labels[deposited]),
            "kept": accuracy(answers[~deposited], labels[~deposited]),
        },
        "probe": shares(probed),
        "prototypes": _spread([shares(one) for one in drawn]),
    }


def require_questions(labels: Tensor, deposited: Sequence[int], names: Sequence[str] | None = None) -> None:
    """Refuse labels that leave nothing to ask or nothing to compare with.

    Args:
        labels: int64 [N].
        deposited: class indices.
        names: of all classes, for the refusal; without them it tells indices.

    Raises:
        InvalidInputError: a deposited class with fewer than FEWEST images, another class with fewer (but some), or no
            kept class.
    """
    counts = {int(index): int((labels == index).sum()) for index in set(labels.tolist()) | set(deposited)}
    for index, count in sorted(counts.items()):
        if count < FEWEST:
            name = index if names is None else repr(names[index])
            raise InvalidInputError(
                "dataset",
                f"Class {name} has {count} images, of which the attacker would get half.",
                f"Give at least {FEWEST} images of every class.",
            )
    if not counts.keys() - set(deposited):
        raise InvalidInputError(
            "dataset", "There are no images of kept classes to compare with.", "Give images of those, too."
        )


def _attackers_half(labels: Tensor, seed: int) -> Tensor:
    """Rows of the attacker: bool [N], half of each class, drawn at random."""
    chance = torch.Generator().manual_seed(seed)
    own = torch.zeros(len(labels), dtype=torch.bool)
    for index in sorted(set(labels.tolist())):
        rows = (labels == index).nonzero().flatten()
        own[rows[torch.randperm(len(rows), generator=chance)[: len(rows) // 2]]] = True
    return own


def _spread(draws: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "mean": statistics.fmean(draw[name] for draw in draws),
            "std": statistics.stdev(draw[name] for draw in draws),
        }
        for name in draws[0]
    }
