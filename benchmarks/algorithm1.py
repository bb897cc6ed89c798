"""Algorithm 1 of the paper, line by line, for one set of whole classes: what the deposit's speed is compared with.

Written as one would from the paper: float32, BatchNorm as a layer of its own, no memory format chosen, nothing
remembered from one batch to the next. Its losses are those of `app.lirf.objectives.paper_objective`.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from app.lirf import losses
from app.lirf.config import DepositConfig, Progress
from app.lirf.deposit_set import DepositSet
from app.lirf.filters import LogitFilter, columns, compose, preserved_classes
from app.lirf.networks import InputSpec, Network, classifier
from app.lirf.partition import partition
from app.lirf.pruning import prune

Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Nets:
    """What lines 2 to 4 make of T0.

    Attributes:
        original: T0^(-n), frozen.
        shallow: T^(-n), trained.
        module: T_r, trained.
        deep: T^(n-), frozen; all three feed it.
        owner: g_bar.
        preserved: the classes that g keeps.
    """

    original: Network
    shallow: Network
    module: Network
    deep: Network
    owner: LogitFilter
    preserved: tuple[int, ...]

    @classmethod
    def of(
        cls, original: Network, spec: InputSpec, split: int, classes: tuple[int, ...], prune_ratio: float
    ) -> "Nets":
        """Lines 2 to 4: divide T0, copy its first part, and prune another copy."""
        original_shallow, deep = partition(copy.deepcopy(original).frozen(), split)
        owner = LogitFilter.of(classes)
        return cls(
            original=original_shallow,
            shallow=copy.deepcopy(original_shallow).requires_grad_().train(),
            module=prune(original_shallow, prune_ratio, spec.shape).train(),
            deep=deep,
            owner=owner,
            preserved=preserved_classes(classifier(deep).out_features, [owner]),
        )


def losses_of_batch(nets: Nets, x: Tensor, y: Tensor, random: Tensor, config: DepositConfig) -> Terms:
    """Lines 6 and 8 to 11: x goes to T0, T and T_r once, and all losses read what they answered.

    Args:
        nets: see `Nets`.
        x: normalised, [N, C, H, W].
        y: true classes, int64 [N].
        random: y_r, int64 [N].
        config: τ and the λ.

    Returns:
        ``kr``, ``kp``, ``pt`` and ``re``, each already weighted.
    """
    with torch.no_grad():
        f_original = nets.original(x)
        z_original = nets.deep(f_original)
    f_target = nets.shallow(x)
    z_target = nets.deep(f_target)
    z_module = nets.deep(nets.module(x))
    recovered = compose(z_target, [(nets.owner, z_module)])
    return {
        "kr": config.lambda_kr
        * losses.knowledge_removal(z_target, random, f_target, f_original, config.lambda_at),
        "kp": config.lambda_kp
        * losses.knowledge_preservation(
            columns(z_target, nets.preserved), columns(z_original, nets.preserved), config.temperature
        ),
        "pt": config.lambda_pt
        * losses.partial_transfer(
            nets.owner.select(z_module), nets.owner.select(z_original), config.temperature
        ),
        "re": config.lambda_re * losses.recovery(recovered, y),
    }


def losses_term_by_term(nets: Nets, x: Tensor, y: Tensor, random: Tensor, config: DepositConfig) -> Terms:
    """The same losses in the other way to read lines 8 to 11: each line asks the networks that it names.

    T is asked three times, T_r twice, T0^(-n) three times. The losses are the same numbers; BatchNorm's running
    statistics move with every asking.
    """
    return {
        "kr": config.lambda_kr * _removal(nets, x, random, config),
        "kp": config.lambda_kp * _preservation(nets, x, config),
        "pt": config.lambda_pt * _transfer(nets, x, config),
        "re": config.lambda_re * _recovery(nets, x, y),
    }


def deposit_by_algorithm1(
    original: Network,
    spec: InputSpec,
    split: int,
    deposit_set: DepositSet,
    config: DepositConfig,
    *,
    calculate: Callable[[Nets, Tensor, Tensor, Tensor, DepositConfig], Terms] = losses_of_batch,
    on_step: Callable[[Progress], None] | None = None,
) -> tuple[Network, Network]:
    """All of Algorithm 1's deposit on the CPU: T^(-n) and T_r, trained, in training mode.

    Args:
        original: T0; it is not altered.
        spec: what it reads.
        split: n.
        deposit_set: D_r, whole classes.
        config: as `deposit` takes it; ``epochs`` stands for "until convergence".
        calculate: lines 6 and 8 to 11.
        on_step: called after every step; what it raises ends the deposit.
    """
    images, labels = deposit_set.images, deposit_set.labels
    nets = Nets.of(original, spec, split, deposit_set.classes or (), config.prune_ratio)
    every_class = range(classifier(original).out_features)
    chance = torch.Generator().manual_seed(config.seed)
    trained = [*nets.shallow.parameters(), *nets.module.parameters()]
    steps = config.epochs * -(-len(images) // config.batch_size)
    optimiser = torch.optim.SGD(trained, lr=config.learning_rate, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps)
    step = 0
    for epoch in range(1, config.epochs + 1):
        for chosen in torch.split(torch.randperm(len(images), generator=chance), config.batch_size):
            x, y = spec.normalise(images[chosen]), labels[chosen]
            random = losses.random_labels(y, every_class, chance)
            terms = calculate(nets, x, y, random, config)
            total = torch.stack(list(terms.values())).sum()
            optimiser.zero_grad()
            torch.autograd.backward(total)
            nn.utils.clip_grad_norm_(trained, config.clip_norm)
            optimiser.step()
            schedule.step()
            step += 1
            if on_step:
                values = {name: float(value.detach()) for name, value in terms.items()}
                on_step(
                    Progress(epoch, config.epochs, step, steps, {**values, "total": float(total.detach())})
                )
    return nets.shallow, nets.module


def _removal(nets: Nets, x: Tensor, random: Tensor, config: DepositConfig) -> Tensor:
    features = nets.shallow(x)
    with torch.no_grad():
        original_features = nets.original(x)
    return losses.knowledge_removal(
        nets.deep(features), random, features, original_features, config.lambda_at
    )


def _preservation(nets: Nets, x: Tensor, config: DepositConfig) -> Tensor:
    z_target = nets.deep(nets.shallow(x))
    with torch.no_grad():
        z_original = nets.deep(nets.original(x))
    return losses.knowledge_preservation(
        columns(z_target, nets.preserved), columns(z_original, nets.preserved), config.temperature
    )


def _transfer(nets: Nets, x: Tensor, config: DepositConfig) -> Tensor:
    z_module = nets.deep(nets.module(x))
    with torch.no_grad():
        z_original = nets.deep(nets.original(x))
    return losses.partial_transfer(
        nets.owner.select(z_module), nets.owner.select(z_original), config.temperature
    )


def _recovery(nets: Nets, x: Tensor, y: Tensor) -> Tensor:
    z_target, z_module = nets.deep(nets.shallow(x)), nets.deep(nets.module(x))
    return losses.recovery(compose(z_target, [(nets.owner, z_module)]), y)
