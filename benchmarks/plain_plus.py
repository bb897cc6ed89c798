"""The objective `lirf+` in a plain loop, for one set of whole classes: float32, nothing folded, no memory format.

The method is the one of `app.lirf.deposit`, its least-squares start and whitened steps included; what is missing is
what that loop does for speed alone. With the same seed both draw the same batches.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from app.lirf.config import DepositConfig, Progress
from app.lirf.deposit_set import DepositSet
from app.lirf.deposit_training import EXAMPLES
from app.lirf.filters import LogitFilter, preserved_classes
from app.lirf.networks import InputSpec, Network, classifier
from app.lirf.objectives import Parts, plus_objective
from app.lirf.optimiser import Optimiser
from app.lirf.partition import partition
from app.lirf.pruning import prune_and_tell
from app.lirf.reader import Reader
from app.lirf.reconstruction import reconstruct
from app.lirf.selection import Surgeon
from app.lirf.surrogates import patch_mix
from app.lirf.teacher import Teacher


def deposit_plainly(
    original: Network,
    spec: InputSpec,
    split: int,
    deposit_set: DepositSet,
    config: DepositConfig,
    *,
    on_step: Callable[[Progress], None] | None = None,
) -> tuple[Network, Network]:
    """T^(-n) and T_r, trained, on the CPU.

    Args:
        original: T0; it is not altered.
        spec: what it reads.
        split: n.
        deposit_set: D_r, whole classes.
        config: as `deposit` takes it, with ``epochs`` as they are and always float32.
        on_step: called after every step; what it raises ends the deposit.
    """
    images, labels = deposit_set.images, deposit_set.labels
    chance = torch.Generator().manual_seed(config.seed)
    original_shallow, deep = partition(copy.deepcopy(original).frozen(), split)
    shallow = copy.deepcopy(original_shallow).requires_grad_()
    examples = _examples(images, spec, chance)
    surgeon = Surgeon(original_shallow, examples, chance) if config.reconstruct else None
    module, kept = prune_and_tell(original_shallow, config.prune_ratio, spec.shape, surgeon)
    trained = nn.ModuleList([shallow, module])
    trained.train(mode=not config.freeze_statistics)
    owner, classes = LogitFilter.of(deposit_set.classes), classifier(original).out_features
    parts = Parts(
        shallow=shallow,
        trunk=deep.part(0, len(deep) - 1),
        head=deep.part(len(deep) - 1),
        branches=[(owner, module)],
        preserved=preserved_classes(classes, [owner]),
        present=preserved_classes(classes, []),
        reader=Reader(classes),
    )
    teacher = Teacher.of(original_shallow, parts, config)
    if config.reconstruct:
        reconstruct(module, original_shallow, kept, examples, chance)
    steps = config.epochs * -(-len(images) // config.batch_size)
    optimiser = Optimiser(config, trained, examples, steps=steps, generator=chance)
    step = 0
    for epoch in range(1, config.epochs + 1):
        for chosen in torch.split(torch.randperm(len(images), generator=chance), config.batch_size):
            owners = torch.zeros_like(labels[chosen])
            batch = teacher.batch(spec.normalise(images[chosen]), labels[chosen], owners, chance)
            terms = plus_objective(batch, parts, config)
            total = torch.stack(list(terms.values())).sum()
            optimiser.step(total)
            step += 1
            if on_step:
                values = {name: float(value.detach()) for name, value in terms.items()}
                on_step(
                    Progress(epoch, config.epochs, step, steps, {**values, "total": float(total.detach())})
                )
    return shallow, module


def _examples(images: Tensor, spec: InputSpec, chance: torch.Generator) -> Tensor:
    """Inputs for the least squares and the whitening, half of them collages, as `deposit` draws them."""
    chosen = torch.randperm(len(images), generator=chance)[:EXAMPLES]
    inputs = spec.normalise(images[chosen])
    half = len(inputs) // 2
    return torch.cat([inputs[:half], patch_mix(inputs[half:], chance)])
