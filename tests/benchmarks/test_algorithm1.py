import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from app.lirf.config import DepositConfig, Progress
from app.lirf.networks import published_state
from app.lirf.objectives import Batch, Parts, paper_objective
from app.lirf.partition import partition
from app.lirf.pruning import prune
from app.lirf.reader import Reader
from app.lirf.teacher import Teacher
from benchmarks.algorithm1 import Nets, deposit_by_algorithm1, losses_of_batch, losses_term_by_term
from benchmarks.subject import Subject

CONFIG = DepositConfig.lirf(batch_size=16, prune_ratio=0.5, precision="float32")
WAYS = (losses_of_batch, losses_term_by_term)
Way = Callable[..., dict[str, Tensor]]


def nets_of(subject: Subject) -> Nets:
    """As after some steps: T has left T0, so that no loss is zero."""
    nets = Nets.of(subject.original, subject.spec, subject.split, (0, 1), CONFIG.prune_ratio)
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in nets.shallow.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=chance), alpha=0.05)
    return nets


def batch_of(subject: Subject, nets: Nets) -> tuple[Batch, Parts]:
    """The batch and the networks as `deposit` hands them to its objective."""
    parts = Parts(
        shallow=nets.shallow,
        trunk=nets.deep.part(0, len(nets.deep) - 1),
        head=nets.deep.part(len(nets.deep) - 1),
        branches=[(nets.owner, nets.module)],
        preserved=nets.preserved,
        present=tuple(range(10)),
        reader=Reader(10),
    )
    images, labels = subject.deposit_set.images[:16], subject.deposit_set.labels[:16]
    teacher = Teacher.of(nets.original, parts, CONFIG)
    owners, chance = torch.zeros_like(labels), torch.Generator().manual_seed(2)
    return teacher.batch(subject.spec.normalise(images), labels, owners, chance), parts


@pytest.mark.parametrize("way", WAYS)
def test_its_losses_are_those_of_the_papers_objective_on_the_same_batch(subject: Subject, way: Way) -> None:
    nets = nets_of(subject)
    batch, parts = batch_of(subject, nets)
    expected = paper_objective(batch, parts, CONFIG)
    found = way(nets, batch.inputs, batch.labels, batch.random, CONFIG)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        wanted, got = float(value.detach()), float(found[name].detach())
        assert wanted != 0
        assert got == pytest.approx(wanted, abs=1e-4), name


@pytest.mark.parametrize("way", WAYS)
def test_its_gradients_are_those_of_the_papers_objective(subject: Subject, way: Way) -> None:
    nets = nets_of(subject)
    batch, parts = batch_of(subject, nets)
    trained = [*nets.shallow.parameters(), *nets.module.parameters()]
    wanted = torch.autograd.grad(sum(paper_objective(batch, parts, CONFIG).values()), trained)
    terms = way(nets, batch.inputs, batch.labels, batch.random, CONFIG)
    found = torch.autograd.grad(sum(terms.values()), trained)
    scale = torch.cat([one.flatten() for one in wanted]).norm()
    assert (
        float(torch.cat([(a - b).flatten() for a, b in zip(wanted, found, strict=True)]).norm())
        < 1e-4 * scale
    )


def test_it_trains_the_shallow_part_and_the_module_and_nothing_else(subject: Subject) -> None:
    before = copy.deepcopy(subject.original)
    told: list[Progress] = []
    shallow, module = deposit_by_algorithm1(
        subject.original,
        subject.spec,
        subject.split,
        subject.deposit_set,
        DepositConfig.lirf(batch_size=16, epochs=2),
        on_step=told.append,
    )
    assert [(one.epoch, one.step, one.steps) for one in told] == [(1, 1, 4), (1, 2, 4), (2, 3, 4), (2, 4, 4)]
    assert told[0].losses["total"] == pytest.approx(
        sum(value for name, value in told[0].losses.items() if name != "total"), rel=1e-5
    )
    now, then = published_state(subject.original), published_state(before)
    assert all(torch.equal(now[name], tensor) for name, tensor in then.items())
    original_shallow, _ = partition(before, subject.split)
    pruned = prune(original_shallow, 0.5, subject.spec.shape)
    for trained, start in ((shallow, original_shallow), (module, pruned)):
        moved = zip(trained.parameters(), start.parameters(), strict=True)
        assert all(not torch.equal(after, first) for after, first in moved)
