import math

import pytest
import torch
from torch import Tensor

from app.lirf.deposit import DepositResult
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import (
    accuracies,
    accuracy,
    answers_of,
    class_mask,
    forgetting,
    harmonic,
    logits,
    oracle,
    per_class,
    preserved_accuracy,
    report,
)
from app.lirf.filters import LogitFilter, compose
from app.lirf.networks import InputSpec, Network
from app.lirf.recover import RecoverNet
from app.lirf.rows import with_rows

# (where, Dep of the original, Pre, Dep, H) in percent, wherever the paper prints all four
PUBLISHED_H = [
    ("main Table 1, CIFAR-10 30 %", 94.60, 93.41, 15.00, 85.95),
    ("Table 1, 20 %", 96.43, 93.97, 16.64, 86.30),
    ("Table 1, 30 %", 94.60, 93.42, 14.15, 86.45),
    ("Table 2, once", (96.43 + 90.58) / 2, 95.41, (15.37 + 17.64) / 2, 85.22),
    ("Table 2, sequence, second", 90.58, 93.19, 14.48, 83.78),
    ("Table 2, inverse, first", 90.58, 93.85, 19.17, 81.11),
    ("Table 5, retrain, one class", 87.49, 85.72, 0.0, 86.60),
    ("Table 5, retrain, two classes", 84.72, 86.30, 0.0, 85.50),
    ("Table 5, GKT, one class", 87.49, 81.97, 0.0, 84.64),
    ("Table 5, GKT, two classes", 84.72, 81.70, 0.0, 83.18),
    ("Table 5, Min-Max, one class (printed 32.64)", 87.49, 20.48, 5.11, 32.80),
    ("Table 5, Min-Max, two classes", 84.72, 29.59, 7.59, 42.77),
    ("Table 5, LIRF, one class", 87.49, 84.19, 12.30, 79.43),
    ("Table 5, LIRF, two classes", 84.72, 84.07, 15.82, 75.73),
]
# Table 1: Pre and H of the target where the original's Dep is not printed; H implies it
IMPLIED = [(93.18, 27.93, 77.27), (97.13, 19.20, 84.22), (98.12, 11.80, 88.74), (98.31, 9.17, 90.64)]
IMPLIED += [(96.41, 13.67, 87.40), (64.52, 2.75, 75.56)]
# Table 1: deposited classes of ten, then Pre, Dep and Avg of the recover net
PUBLISHED_AVG = [
    (1, 92.73, 99.81, 93.44),
    (2, 93.61, 98.13, 94.51),
    (3, 94.55, 97.67, 95.49),
    (4, 95.47, 95.63, 95.53),
    (5, 95.86, 95.27, 95.57),
    (6, 96.61, 94.15, 95.13),
    (7, 97.08, 94.02, 94.94),
    (8, 96.91, 94.16, 94.71),
    (9, 95.76, 94.08, 94.25),
]


@pytest.mark.parametrize(("where", "before", "pre", "dep", "published"), PUBLISHED_H)
def test_h_reproduces_the_published_row(
    where: str, before: float, pre: float, dep: float, published: float
) -> None:
    assert harmonic(pre, forgetting(before, dep)) == pytest.approx(published, abs=0.0101), where


@pytest.mark.parametrize(("pre", "dep", "published"), IMPLIED)
def test_the_published_h_implies_a_plausible_original(pre: float, dep: float, published: float) -> None:
    forgotten = published * pre / (2 * pre - published)
    assert harmonic(pre, forgotten) == pytest.approx(published)
    assert 90 < dep + forgotten < 97


@pytest.mark.parametrize(("deposited", "pre", "dep", "published"), PUBLISHED_AVG)
def test_avg_reproduces_the_published_row(deposited: int, pre: float, dep: float, published: float) -> None:
    labels = torch.arange(10).repeat_interleave(10_000)
    gone = class_mask(labels, range(deposited))
    answers = torch.zeros(len(labels), 10)
    for mask, right in ((gone, dep), (~gone, pre)):
        samples = mask.nonzero().flatten()
        cut = round(len(samples) * right / 100)
        answers[samples[:cut], labels[samples[:cut]]] = 1
        answers[samples[cut:], (labels[samples[cut:]] + 1) % 10] = 1
    measured = accuracies(answers, labels, gone)
    assert measured["pre"] == pytest.approx(pre)
    assert measured["dep"] == pytest.approx(dep)
    assert measured["avg"] == pytest.approx(published, abs=0.0051)


def test_h_is_zero_when_nothing_was_forgotten_or_nothing_preserved() -> None:
    assert harmonic(90.0, forgetting(85.0, 85.0)) == 0
    assert harmonic(90.0, forgetting(85.0, 86.0)) == 0
    assert harmonic(0.0, 80.0) == 0


def test_accuracy_is_in_percent_overall_and_per_class() -> None:
    answers = torch.eye(3)[[0, 0, 1, 2]]
    labels = torch.tensor([0, 1, 1, 2])
    assert accuracy(answers, labels) == 75
    assert per_class(answers, labels) == {0: 100.0, 1: 50.0, 2: 100.0}
    assert math.isnan(accuracy(answers[:0], labels[:0]))


def test_preserved_accuracy_lets_only_preserved_classes_compete() -> None:
    answers = torch.tensor([[9.0, 2.0, 1.0], [9.0, 1.0, 2.0], [9.0, 1.0, 2.0]])
    assert preserved_accuracy(answers, torch.tensor([1, 2, 1]), (0,)) == pytest.approx(200 / 3)
    with pytest.raises(InvalidInputError, match=r"classes: 3 is outside 0..2"):
        preserved_accuracy(answers, torch.tensor([1, 2, 1]), (3,))


def test_logits_do_not_depend_on_the_batch_size(untrained: Network, spec: InputSpec) -> None:
    images = torch.randint(0, 256, (10, 3, 8, 8), dtype=torch.uint8)
    whole = logits(untrained, images, spec)
    assert torch.allclose(logits(untrained, images, spec, batch_size=3), whole, atol=1e-5)
    assert whole.shape == (10, 10)


def test_the_oracle_asks_the_label_which_formula_to_use() -> None:
    target = torch.tensor([[5.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
    branch = torch.tensor([[4.0, 0.0, 6.0], [2.0, 0.0, 10.0]])
    labels, deposited = torch.tensor([0, 2]), torch.tensor([False, True])
    recovered = compose(target, [(LogitFilter("classes", (2,)), branch)])
    filtered = accuracies(recovered, labels, deposited)
    unfiltered = accuracies(target + branch, labels, deposited)
    assert (filtered["pre"], filtered["dep"]) == (0, 100)
    assert (unfiltered["pre"], unfiltered["dep"]) == (100, 0)
    assert oracle(target, [branch], recovered, labels, deposited) == {"pre": 100, "dep": 100, "avg": 100}


def test_the_oracle_weighs_avg_by_samples_and_adds_every_branch() -> None:
    target = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    first, second = torch.tensor([0.0, 0.6]).expand(4, 2), torch.tensor([0.0, 0.6]).expand(4, 2)
    labels, deposited = torch.tensor([1, 1, 1, 1]), torch.tensor([True, False, False, False])
    assert oracle(target, [first], target, labels, deposited) == {"pre": 0, "dep": 0, "avg": 0}
    assert oracle(target, [first, second], target, labels, deposited) == {"pre": 100, "dep": 0, "avg": 75}


def test_a_reported_oracle_puts_sealed_rows_back_and_filters_deposited_samples_alone(
    original: Network, deposited: DepositResult, spec: InputSpec, digits: tuple[Tensor, ...]
) -> None:
    images, labels = digits[2], digits[3]
    measured = report(original, deposited.target, deposited.modules, spec, images, labels)
    (module,) = deposited.modules
    gone = class_mask(labels, module.filter.classes)
    served, kept, branch = answers_of(RecoverNet(deposited.target, deposited.modules), images, spec)
    sealed, unsealed = served + branch, kept + branch
    assert set(sealed.argmax(dim=1).tolist()).isdisjoint(module.filter.classes)
    assert not set(unsealed.argmax(dim=1).tolist()).isdisjoint(module.filter.classes)
    assert measured["oracle"]["pre"] == accuracy(unsealed[~gone], labels[~gone])
    assert measured["oracle"]["dep"] == measured["recover"]["dep"]


def test_every_part_that_is_asked_once_answers_what_the_nets_answer(
    deposited: DepositResult, spec: InputSpec, digits: tuple[Tensor, ...]
) -> None:
    images, (module,) = digits[2][:200], deposited.modules
    net = RecoverNet(deposited.target, deposited.modules)
    served, kept, branch = answers_of(net, images, spec)
    restored = with_rows(deposited.target, [(module.filter.classes, module.tensors)])
    assert torch.equal(served, logits(deposited.target, images, spec))
    assert torch.equal(kept, logits(restored, images, spec))
    assert torch.equal(compose(served, [(module.filter, branch)]), logits(net, images, spec))


def test_the_report_shows_both_ways_of_counting_and_one_composition_on_one_mixed_set(
    original: Network, deposited: DepositResult, spec: InputSpec, digits: tuple[Tensor, ...]
) -> None:
    images, labels = digits[2], digits[3]
    measured = report(original, deposited.target, deposited.modules, spec, images, labels)
    target, recover = measured["target"], measured["recover"]
    before = measured["original"]["dep"]
    assert target["h"] == harmonic(target["pre"], before - target["dep"])
    assert target["h_rows_kept"] == harmonic(target["pre_rows_kept"], before - target["dep_rows_kept"])
    answers = logits(RecoverNet(deposited.target, deposited.modules), images, spec)
    assert recover["avg"] == accuracy(answers, labels)
    assert set(recover["per_class"]) == set(range(10))
    assert min(measured["swap"].values()) > 90


def test_a_report_counts_given_samples_for_sets_that_share_their_classes(
    original: Network, spec: InputSpec, digits: tuple[Tensor, ...]
) -> None:
    images, labels = digits[2][:50], digits[3][:50]
    mask = torch.arange(50) < 20
    measured = report(original, original, [], spec, images, labels, deposited=mask)
    assert measured["target"]["f"] == 0
    assert measured["original"]["dep"] == accuracy(logits(original, images[:20], spec), labels[:20])
    assert measured["recover"]["avg"] == measured["original"]["avg"]
    assert measured["oracle"] == {name: measured["original"][name] for name in ("pre", "dep", "avg")}
