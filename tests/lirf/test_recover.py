import itertools
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from app.lirf.errors import InvalidInputError
from app.lirf.filters import LogitFilter, columns, compose, preserved_classes
from app.lirf.module import DepositModule
from app.lirf.networks import Network, classifier, published_state
from app.lirf.partition import partition
from app.lirf.pruning import prune
from app.lirf.recover import RecoverNet
from app.lirf.rows import SEALED_BIAS, sealed_classes, take_rows, with_rows, without_rows

IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(2))


def module_of(
    net: Network, classes: tuple[int, ...] | None, seed: int, *, rows: bool = False
) -> DepositModule:
    """A module with weights of its own, so that its answers differ from the target's."""
    shallow = prune(partition(net, 7)[0], 0.5, (3, 8, 8))
    chance = torch.Generator().manual_seed(seed)
    tensors = {
        name: tensor.detach() + 0.05 * torch.randn(tensor.shape, generator=chance).abs()
        for name, tensor in published_state(shallow).items()
    }
    if rows and classes:
        tensors |= take_rows(net, classes)
    return DepositModule(tensors, LogitFilter.of(classes), split=7, prune_ratio=0.5)


def branch_of(net: Network, module: DepositModule, images: Tensor) -> Tensor:
    """T_r then T^(n-), computed apart from the recover net."""
    from app.lirf.rebuilding import rebuild  # noqa: PLC0415 - an independent way to the same answer

    shallow, deep = partition(net, module.split)
    logits: Tensor = deep(rebuild(shallow, module.tensors)(images))
    return logits


def test_preserved_logits_are_the_targets_and_deposited_logits_the_branches_bit_for_bit(
    untrained: Network,
) -> None:
    modules = [module_of(untrained, (3, 8), seed=1), module_of(untrained, (0,), seed=2)]
    answers = RecoverNet(untrained, modules)(IMAGES)
    target = untrained(IMAGES)
    kept = (1, 2, 4, 5, 6, 7, 9)
    assert torch.equal(columns(answers, kept), columns(target, kept))
    assert torch.equal(columns(answers, (3, 8)), columns(branch_of(untrained, modules[0], IMAGES), (3, 8)))
    assert torch.equal(columns(answers, (0,)), columns(branch_of(untrained, modules[1], IMAGES), (0,)))
    assert not torch.equal(answers, target)


def test_without_modules_the_target_answers_alone(untrained: Network) -> None:
    assert torch.equal(RecoverNet(untrained)(IMAGES), untrained(IMAGES))


def test_any_subset_gives_back_its_own_classes_and_no_others(untrained: Network) -> None:
    modules = [module_of(untrained, (index,), seed=index) for index in range(3)]
    target = untrained(IMAGES)
    for size in range(4):
        for subset in itertools.combinations(modules, size):
            answers = RecoverNet(untrained, subset)(IMAGES)
            changed = {int(c) for c in (answers != target).any(dim=0).nonzero().flatten()}
            assert changed == {index for module in subset for index in module.filter.classes}


def test_the_answer_does_not_depend_on_the_order_of_the_modules(untrained: Network) -> None:
    modules = [
        module_of(untrained, (3,), seed=1),
        module_of(untrained, None, seed=2),
        module_of(untrained, None, seed=3),
        module_of(untrained, (0, 1), seed=4),
    ]
    answers = [RecoverNet(untrained, order)(IMAGES) for order in itertools.permutations(modules)]
    assert all(torch.equal(answer, answers[0]) for answer in answers)


def test_sealed_rows_leave_the_target_no_answer_and_come_back_with_the_module(untrained: Network) -> None:
    module = module_of(untrained, (3, 8), seed=1, rows=True)
    sealed = without_rows(untrained, (3, 8))
    target = RecoverNet(sealed)(IMAGES)
    assert sealed_classes(sealed) == (3, 8)
    assert bool((columns(target, (3, 8)) == SEALED_BIAS).all())
    assert bool((target.softmax(dim=1)[:, [3, 8]] == 0).all())
    answers = RecoverNet(sealed, [module])(IMAGES)
    kept = (0, 1, 2, 4, 5, 6, 7, 9)
    assert torch.equal(columns(answers, kept), columns(untrained(IMAGES), kept))
    assert torch.equal(columns(answers, (3, 8)), columns(branch_of(untrained, module, IMAGES), (3, 8)))


def test_classes_that_stay_deposited_stay_sealed_in_a_recover_net(untrained: Network) -> None:
    module = module_of(untrained, (3,), seed=1, rows=True)
    sealed = without_rows(without_rows(untrained, (3,)), (8,))
    answers = RecoverNet(sealed, [module])(IMAGES)
    assert bool((answers[:, 8] == SEALED_BIAS).all())
    assert not bool((answers[:, 3] == SEALED_BIAS).any())


def test_a_residual_module_cannot_lift_a_sealed_class(untrained: Network) -> None:
    sealed = without_rows(untrained, (8,))
    answers = RecoverNet(sealed, [module_of(untrained, None, seed=1)])(IMAGES)
    assert bool((answers[:, 8] == SEALED_BIAS).all())
    assert not torch.equal(answers[:, :8], sealed(IMAGES)[:, :8])


def test_sealing_rows_keeps_the_other_rows_and_restoring_them_every_bit(untrained: Network) -> None:
    rows = take_rows(untrained, (3, 8))
    sealed = without_rows(untrained, (3, 8))
    again = with_rows(sealed, [((3, 8), rows)])
    assert torch.equal(classifier(sealed).weight[[0, 9]], classifier(untrained).weight[[0, 9]])
    assert not bool(classifier(sealed).weight[[3, 8]].any())
    assert torch.equal(classifier(again).weight, classifier(untrained).weight)
    assert torch.equal(classifier(again).bias, classifier(untrained).bias)
    assert sealed_classes(untrained) == ()


def test_the_deep_part_is_held_once(untrained: Network) -> None:
    modules = [module_of(untrained, (index,), seed=index) for index in range(3)]
    net = RecoverNet(untrained, modules)
    own = {parameter.data_ptr() for parameter in partition(untrained, 7)[1].part(0, 3).parameters()}
    inside = [parameter.data_ptr() for parameter in net.trunk.parameters()]
    assert own == set(inside)
    assert sum(p.numel() for p in net.parameters()) < 2 * sum(p.numel() for p in untrained.parameters())


@pytest.mark.parametrize(
    ("classes", "split", "message"),
    [
        ([(1, 2), (2, 3)], [7, 7], "class 2 is owned by two modules"),
        ([(1,), (2,)], [7, 6], r"divided at blocks \[6, 7\]"),
        ([(10,)], [7], r"classes \[10\] are outside 0..9"),
    ],
)
def test_modules_that_cannot_go_together_are_refused(
    untrained: Network, classes: list[tuple[int, ...]], split: list[int], message: str
) -> None:
    modules = [
        DepositModule(module_of(untrained, None, seed=1).tensors, LogitFilter.of(own), at, 0.5)
        for own, at in zip(classes, split, strict=True)
    ]
    with pytest.raises(InvalidInputError, match=message):
        RecoverNet(untrained, modules)


def test_a_module_knows_its_size_in_bytes() -> None:
    module = DepositModule({"a": torch.zeros(3, 2), "b": torch.zeros(1)}, LogitFilter.of((1,)), 7, 0.5)
    assert module.size == 28


def test_filters_select_and_preserve() -> None:
    logits = torch.arange(10.0).view(1, 10)
    owner = LogitFilter.of((8, 3))
    assert owner.classes == (3, 8)
    assert owner.select(logits).tolist() == [[3.0, 8.0]]
    assert LogitFilter.of(None).select(logits) is logits
    assert preserved_classes(5, [LogitFilter.of((1,)), LogitFilter.of(None)], absent=(4,)) == (0, 2, 3)


def test_the_composition_lets_gradients_reach_both_branches() -> None:
    target = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    whole = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    added = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    branches = [LogitFilter.of((1, 2)), LogitFilter.of(None)]

    def composed(*inputs: Tensor) -> Tensor:
        return compose(inputs[0], list(zip(branches, inputs[1:], strict=True)))

    assert torch.autograd.gradcheck(composed, (target, whole, added))


def test_serving_imports_neither_the_loops_nor_the_pruner() -> None:
    code = (
        "import sys, app.lirf.recover, app.lirf.checkpoint, app.lirf.networks, app.lirf.config;"
        "banned = {'app.lirf.deposit', 'app.lirf.train', 'app.lirf.pruning', 'torch_pruning', 'fastapi'};"
        "print(sorted(banned & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
