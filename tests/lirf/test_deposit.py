from dataclasses import replace

import pytest
import torch
from torch import Tensor

from app.lirf.config import DepositConfig, Progress
from app.lirf.data.source import open_source
from app.lirf.deposit import DepositResult, deposit
from app.lirf.deposit_set import DepositSet
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import accuracies, class_mask, logits, report
from app.lirf.networks import InputSpec, Network, create, default_split, published_state
from app.lirf.partition import partition
from app.lirf.recover import RecoverNet
from app.lirf.rows import sealed_classes
from app.lirf.train import seed_everything

SPLIT = 7
Digits = tuple[Tensor, Tensor, Tensor, Tensor]


def state_of(net: Network) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in published_state(net).items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def paper(**changes: object) -> DepositConfig:
    return DepositConfig.lirf(**{"epochs": 1, "min_steps": 3, "batch_size": 32, **changes})


def test_two_digits_are_forgotten_by_the_target_and_answered_by_the_recover_net(
    original: Network, deposited: DepositResult, spec: InputSpec, digits: Digits
) -> None:
    measured = report(original, deposited.target, deposited.modules, spec, digits[2], digits[3])
    before, target, recover = measured["original"], measured["target"], measured["recover"]
    assert before["avg"] >= 97
    assert target["dep"] == 0
    assert target["dep_rows_kept"] <= 5
    assert target["pre"] >= before["pre"] - 2
    assert recover["avg"] >= before["avg"] - 1


def test_the_deep_part_keeps_every_bit_through_training_in_both_objectives(
    untrained: Network, spec: InputSpec, small_set: DepositSet, brief: DepositConfig
) -> None:
    before = state_of(partition(untrained, SPLIT)[1])
    for config in (replace(brief, seal_rows=False), paper(), paper(seal_rows=False, freeze_statistics=True)):
        result = deposit(untrained, spec, SPLIT, [small_set], config)
        shallow, deep = partition(result.target, SPLIT)
        assert same(published_state(deep), before)
        assert not same(published_state(shallow), published_state(partition(untrained, SPLIT)[0]))


def test_sealing_changes_only_the_rows_of_the_deposited_classes(
    untrained: Network, spec: InputSpec, small_set: DepositSet, brief: DepositConfig
) -> None:
    result = deposit(untrained, spec, SPLIT, [small_set], brief)
    before, after = published_state(untrained), published_state(result.target)
    kept = [index for index in range(10) if index not in (3, 8)]
    assert sealed_classes(result.target) == (3, 8)
    assert torch.equal(after["linear.weight"][kept], before["linear.weight"][kept])
    assert torch.equal(result.modules[0].tensors["rows.weight"], before["linear.weight"][[3, 8]])
    assert all(torch.equal(after[name], before[name]) for name in before if name.startswith("layer3"))


def test_the_original_is_not_altered(
    untrained: Network, spec: InputSpec, small_set: DepositSet, brief: DepositConfig
) -> None:
    before = state_of(untrained)
    deposit(untrained, spec, SPLIT, [small_set], brief)
    deposit(untrained, spec, SPLIT, [small_set], paper())
    assert same(published_state(untrained), before)


@pytest.mark.parametrize("objective", ["lirf", "lirf+"])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(
    untrained: Network, spec: InputSpec, small_set: DepositSet, objective: str
) -> None:
    def run(seed: int) -> DepositResult:
        torch.rand(seed + 1)
        config = DepositConfig.of(
            objective, epochs=1, min_steps=3, batch_size=32, seed=seed, shift=1, flip=True
        )
        return deposit(untrained, spec, SPLIT, [small_set], config)

    first, again, other = run(1), run(1), run(2)
    assert same(first.target_shallow, again.target_shallow)
    assert same(dict(first.modules[0].tensors), dict(again.modules[0].tensors))
    assert first.curves == again.curves
    assert not same(first.target_shallow, other.target_shallow)


def test_progress_counts_every_step_and_names_every_term(
    untrained: Network, spec: InputSpec, small_set: DepositSet
) -> None:
    seen: list[Progress] = []
    config = DepositConfig(epochs=2, min_steps=1, batch_size=32)
    result = deposit(untrained, spec, SPLIT, [small_set], config, on_step=seen.append)
    assert [(p.epoch, p.epochs, p.step, p.steps) for p in seen] == [
        (1, 2, 1, 4),
        (1, 2, 2, 4),
        (2, 2, 3, 4),
        (2, 2, 4, 4),
    ]
    for progress in seen:
        parts = sum(value for name, value in progress.losses.items() if name != "total")
        assert progress.losses["total"] == pytest.approx(parts, rel=1e-4)
    assert len(result.curves) == 2
    assert result.curves[0]["total"] == pytest.approx((seen[0].losses["total"] + seen[1].losses["total"]) / 2)


def test_each_epoch_hands_over_what_the_deposit_would_leave_behind(
    untrained: Network, spec: InputSpec, small_set: DepositSet
) -> None:
    seen: dict[int, DepositResult] = {}
    config = DepositConfig(epochs=2, min_steps=1, batch_size=32)
    last = deposit(untrained, spec, SPLIT, [small_set], config, on_epoch=seen.__setitem__)
    assert list(seen) == [1, 2]
    assert [len(result.curves) for result in seen.values()] == [1, 2]
    assert same(seen[2].target_shallow, last.target_shallow)
    assert not same(seen[1].target_shallow, last.target_shallow)
    assert same(published_state(seen[2].target), published_state(last.target))
    assert same(dict(seen[2].modules[0].tensors), dict(last.modules[0].tensors))


def test_small_sets_get_the_least_number_of_steps(
    untrained: Network, spec: InputSpec, small_set: DepositSet
) -> None:
    seen: list[Progress] = []
    deposit(
        untrained,
        spec,
        SPLIT,
        [small_set],
        DepositConfig(epochs=1, min_steps=5, batch_size=32),
        on_step=seen.append,
    )
    assert seen[-1].step == seen[-1].steps == 6


def test_an_exception_in_on_step_cancels_and_loses_nothing(
    untrained: Network, spec: InputSpec, small_set: DepositSet, brief: DepositConfig
) -> None:
    class CancelledError(Exception):
        pass

    def cancel(progress: Progress) -> None:
        if progress.step == 2:
            raise CancelledError

    before = state_of(untrained)
    with pytest.raises(CancelledError):
        deposit(untrained, spec, SPLIT, [small_set], brief, on_step=cancel)
    assert same(published_state(untrained), before)
    assert deposit(untrained, spec, SPLIT, [small_set], brief).modules[0].size > 0


@pytest.mark.parametrize("objective", ["lirf", "lirf+"])
def test_several_sets_at_once_get_a_module_each(
    untrained: Network, spec: InputSpec, small_set: DepositSet, objective: str
) -> None:
    other = DepositSet(small_set.images[:40], torch.tensor([0, 5] * 20), (0, 5))
    config = DepositConfig.of(objective, epochs=1, min_steps=3, batch_size=32, seal_rows=True)
    result = deposit(untrained, spec, SPLIT, [small_set, other], config)
    assert [module.filter.classes for module in result.modules] == [(3, 8), (0, 5)]
    assert sealed_classes(result.target) == (0, 3, 5, 8)
    images = spec.normalise(small_set.images[:4])
    partly = RecoverNet(result.target, [result.modules[1]])(images)
    assert bool((partly[:, [3, 8]] < -1000).all())
    assert bool((partly[:, [0, 5]] > -1000).all())


def test_deposits_in_sequence_leave_modules_that_are_withdrawn_together(
    original: Network, deposited: DepositResult, spec: InputSpec, digits: Digits
) -> None:
    images, labels, test_images, test_labels = digits
    mask = class_mask(labels, (0,))
    second = deposit(
        deposited.target,
        spec,
        SPLIT,
        [DepositSet(images[mask], labels[mask], (0,))],
        DepositConfig(min_steps=100),
    )
    assert sealed_classes(second.target) == (0, 3, 8)
    both = [*deposited.modules, *second.modules]
    gone = class_mask(test_labels, (0, 3, 8))
    before = accuracies(logits(original, test_images, spec), test_labels, gone)
    target = accuracies(logits(second.target, test_images, spec), test_labels, gone)
    recover = accuracies(logits(RecoverNet(second.target, both), test_images, spec), test_labels, gone)
    assert target["dep"] == 0
    assert target["pre"] >= before["pre"] - 3
    assert recover["avg"] >= before["avg"] - 6


def test_a_set_that_shares_its_classes_gets_a_residual_module_that_brings_the_answers_back(
    original: Network, spec: InputSpec, digits: Digits
) -> None:
    images, labels, test_images, test_labels = digits
    own = DepositSet(images[:128], labels[:128], None)
    result = deposit(original, spec, SPLIT, [own], DepositConfig(min_steps=240, batch_size=64))
    module = result.modules[0]
    assert module.filter.kind == "residual"
    assert not any(name.startswith("rows") for name in module.tensors)
    assert sealed_classes(result.target) == ()
    before, target, recover = (
        logits(net, own.images, spec)
        for net in (original, result.target, RecoverNet(result.target, [module]))
    )
    assert (recover - before).square().mean() < 0.5 * (target - before).square().mean()
    sure = [
        answer.softmax(dim=1).gather(1, own.labels[:, None]).mean() for answer in (before, target, recover)
    ]
    assert sure[1] < sure[0]
    assert sure[2] > sure[1]
    untouched = accuracies(logits(result.target, test_images, spec), test_labels, test_labels < 0)
    assert untouched["pre"] >= 95


def test_the_more_filters_are_pruned_the_fewer_bytes_a_module_has(
    untrained: Network, spec: InputSpec, small_set: DepositSet, brief: DepositConfig
) -> None:
    whole = sum(
        tensor.numel() * tensor.element_size()
        for tensor in published_state(partition(untrained, SPLIT)[0]).values()
    )
    sizes = [
        deposit(
            untrained,
            spec,
            SPLIT,
            [small_set],
            replace(brief, prune_ratio=ratio, seal_rows=False, calibrate=False),
        )
        .modules[0]
        .size
        for ratio in (0.0, 0.5, 0.9)
    ]
    assert sizes[0] == whole
    assert sizes == sorted(set(sizes), reverse=True)
    assert sizes[2] < 0.2 * whole


def test_class_sets_and_residual_sets_can_go_together(
    untrained: Network, spec: InputSpec, small_set: DepositSet, brief: DepositConfig
) -> None:
    shared = DepositSet(small_set.images[:32], torch.tensor([1, 2] * 16), None)
    result = deposit(untrained, spec, SPLIT, [small_set, shared], brief)
    assert [module.filter.kind for module in result.modules] == ["classes", "residual"]
    assert sealed_classes(result.target) == (3, 8)


def test_two_images_are_enough_for_a_network_divided_before_its_classifier() -> None:
    seed_everything(0)
    net, grey = create("resnet20", 10, 1).frozen(), InputSpec(1, 8, 8, (0.3,), (0.4,))
    digits = open_source("digits", "test")
    pair = DepositSet(digits.images[:2], digits.labels[:2], None)
    result = deposit(net, grey, default_split("resnet20"), [pair], DepositConfig(epochs=1, min_steps=5))
    assert all(bool(tensor.isfinite().all()) for tensor in result.modules[0].tensors.values())


def test_training_that_diverges_says_so(untrained: Network, spec: InputSpec, small_set: DepositSet) -> None:
    with pytest.raises(
        InvalidInputError, match=r"config.learning_rate: the loss is .* training diverged. Choose"
    ):
        deposit(
            untrained,
            spec,
            SPLIT,
            [small_set],
            paper(learning_rate=1e30, min_steps=20, freeze_statistics=True),
        )


def test_a_split_out_of_range_is_refused(untrained: Network, spec: InputSpec, small_set: DepositSet) -> None:
    with pytest.raises(InvalidInputError, match="from 1 to 10"):
        deposit(untrained, spec, 11, [small_set])


def test_a_set_that_shares_its_classes_needs_surrogates_in_the_stronger_objective(
    untrained: Network, spec: InputSpec, small_set: DepositSet, brief: DepositConfig
) -> None:
    shared = replace(small_set, classes=None)
    with pytest.raises(InvalidInputError, match=r"config\.surrogates: none, yet a set shares its classes"):
        deposit(untrained, spec, SPLIT, [shared], replace(brief, surrogates=()))
    assert deposit(untrained, spec, SPLIT, [shared], paper()).modules[0].filter.kind == "residual"
