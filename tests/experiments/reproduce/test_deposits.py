from dataclasses import replace

import pytest
import torch
from torch import Tensor

from app.lirf.config import DepositConfig
from app.lirf.deposit import DepositResult, deposit
from app.lirf.deposit_set import DepositSet
from app.lirf.evaluation import logits
from app.lirf.filters import LogitFilter
from app.lirf.networks import published_state
from app.lirf.recover import RecoverNet
from app.lirf.rows import sealed_classes
from experiments.reproduce import deposits
from experiments.reproduce.bench import Bench
from experiments.reproduce.deposits import Deposited, class_set, deposited
from experiments.reproduce.originals import original, original_digest, trained
from experiments.reproduce.study import Scope


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def answers(bench: Bench, done: Deposited) -> Tensor:
    return logits(RecoverNet(done.target, done.modules), bench.test.images, bench.spec)


@pytest.mark.parametrize("method", ["lirf", "lirf+"])
def test_a_deposit_comes_back_from_the_cache_bit_for_bit(
    bench: Bench, scope: Scope, method: str, made: list[DepositConfig]
) -> None:
    start, config = original(bench), scope.config(method, 7)
    sets = [class_set(bench, [0, 1]), class_set(bench, [5])]
    first = deposited(bench, start, sets, config)
    second = deposited(bench, start, sets, config)
    assert len(made) == 1
    assert (first.work.fresh, second.work.fresh) == (True, False)
    assert first.work.record == second.work.record
    assert not same(published_state(first.target), published_state(start))
    assert same(published_state(first.target), published_state(second.target))
    assert sealed_classes(second.target) == ((0, 1, 5) if config.seal_rows else ())
    for before, after in zip(first.modules, second.modules, strict=True):
        assert same(dict(before.tensors), dict(after.tensors))
        assert replace(before, tensors={}) == replace(after, tensors={})
    assert first.curves == second.curves
    assert torch.equal(answers(bench, first), answers(bench, second))


def test_a_residual_module_comes_back_as_one(
    bench: Bench, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made_here(*arguments: object, **options: object) -> DepositResult:
        result = deposit(*arguments[:3], [class_set(bench, [6])], arguments[4], **options)
        (module,) = result.modules
        return replace(result, modules=(replace(module, filter=LogitFilter("residual")),))

    monkeypatch.setattr(deposits, "deposit", made_here)
    some = [DepositSet(bench.train.images[:40], bench.train.labels[:40], None)]
    first, second = (deposited(bench, original(bench), some, scope.config("lirf", 0)) for _ in range(2))
    assert (first.work.fresh, second.work.fresh) == (True, False)
    assert second.modules[0].filter == LogitFilter("residual")
    assert first.work.record["deposited"] == ["40 images"]
    assert torch.equal(answers(bench, first), answers(bench, second))


def test_whatever_decides_a_deposit_makes_it_anew(
    bench: Bench, scope: Scope, made: list[DepositConfig]
) -> None:
    start, config = original(bench), scope.config("lirf", 8)
    target = deposited(bench, start, [class_set(bench, [2])], config).target
    for net, classes, changed, absent in (
        (start, [2], replace(config, seed=9), ()),
        (start, [2], replace(config, temperature=3.5), ()),
        (start, [3], config, ()),
        (start, [3], config, (2,)),
        (target, [3], config, (2,)),
    ):
        before = len(made)
        for _ in range(2):
            deposited(bench, net, [class_set(bench, classes)], changed, absent=absent)
        assert len(made) == before + 1
    smaller = class_set(bench, [2])
    smaller = replace(smaller, images=smaller.images[1:], labels=smaller.labels[1:])
    assert deposited(bench, start, [smaller], config).work.fresh


def test_a_record_counts_every_sample_that_was_processed(bench: Bench, scope: Scope) -> None:
    count = int((bench.train.labels == 4).sum())
    done = deposited(bench, original(bench), [class_set(bench, [4])], scope.config("lirf+", 0, epochs=2))
    assert done.work.record["samples"] == {"deposit": 2 * count, "surrogates": 2 * count}
    assert done.work.record["deposited"] == ["4"]
    assert done.work.record["seconds"] > 0
    for named in ("commit", "hardware", "versions", "device", "code"):
        assert done.work.record[named]


def test_a_network_is_trained_once_and_comes_back_bit_for_bit(fresh: Bench) -> None:
    config = replace(fresh.train_config, epochs=1, seed=5)
    first, second = (trained(fresh, [1, 2], config) for _ in range(2))
    assert (first.work.fresh, second.work.fresh) == (True, False)
    assert same(published_state(first.net), published_state(second.net))
    assert first.work.record == second.work.record
    assert first.work.record["trained_on"] == ["1", "2"]
    assert not same(published_state(first.net), published_state(trained(fresh, [1, 3], config).net))


def test_the_original_is_named_by_its_content_and_only_once_it_is_there(bench: Bench) -> None:
    untrained = replace(bench, train_config=replace(bench.train_config, epochs=11))
    assert original_digest(untrained) is None
    assert original_digest(bench) == original_digest(bench)
