import pytest
import torch
from torch import Tensor

from app.lirf.calibration import Calibration, level_of, margins
from app.lirf.evaluation import class_mask
from app.lirf.filters import LogitFilter, compose
from app.lirf.module import LEVEL, DepositModule
from app.lirf.networks import InputSpec, Network, published_state
from app.lirf.partition import partition
from app.lirf.recover import RecoverNet
from app.lirf.rows import take_rows, without_rows

Digits = tuple[Tensor, Tensor, Tensor, Tensor]
OWNER = LogitFilter.of((3, 8))


def random_logits(seed: int, rows: int = 200) -> Tensor:
    return torch.randn(rows, 10, generator=torch.Generator().manual_seed(seed))


def share(logits: Tensor) -> float:
    return float((margins(logits, OWNER) > 0).float().mean())


@pytest.mark.parametrize("too_high", [-2.0, 0.0, 1.5])
def test_a_level_makes_the_owner_win_as_often_as_in_the_original(too_high: float) -> None:
    original, composed = random_logits(0), random_logits(1)
    composed[:, [3, 8]] += too_high
    level = level_of(composed, original, OWNER)
    composed[:, [3, 8]] += level
    assert share(composed) == share(original)


@pytest.mark.parametrize("everywhere", [-100.0, 100.0])
def test_where_the_original_names_the_classes_always_or_never_nothing_is_moved(everywhere: float) -> None:
    original = random_logits(0)
    original[:, [3, 8]] += everywhere
    assert level_of(random_logits(1), original, OWNER) == 0.0


def module_of(net: Network, classes: tuple[int, ...] | None) -> DepositModule:
    """An unpruned copy of the shallow part, as if nothing had been lost."""
    shallow, _ = partition(net, 7)
    rows = take_rows(net, classes) if classes else {}
    return DepositModule({**published_state(shallow), **rows}, LogitFilter.of(classes), 7, 0.0)


def test_modules_that_overrate_their_classes_are_lowered_to_the_originals_share(
    original: Network, spec: InputSpec, digits: Digits
) -> None:
    mine = class_mask(digits[1], (1, 3, 8))
    calibration = Calibration.of(original, spec, digits[0][mine], seed=0)
    target = without_rows(original, (1, 3, 8))
    modules = [module_of(original, (3, 8)), module_of(original, (1,))]
    modules = [
        DepositModule({**one.tensors, "rows.bias": one.tensors["rows.bias"] + 2}, one.filter, 7, 0.0)
        for one in modules
    ]
    levelled = calibration.levelled(target, modules)
    for one in levelled:
        assert bool((one.tensors[LEVEL] != 0).nonzero().flatten().equal(torch.tensor(one.filter.classes)))
        assert -3.5 < float(one.tensors[LEVEL].min()) < 0

    def deposited(net: torch.nn.Module) -> float:
        with torch.no_grad():
            return float(class_mask(net(calibration.inputs).argmax(dim=1), (1, 3, 8)).float().mean())

    before, after = (deposited(RecoverNet(target, ones)) for ones in (modules, levelled))
    wanted = deposited(original)
    assert abs(after - wanted) < 0.02 < before - wanted


def test_a_level_moves_the_modules_own_logits_and_no_others(
    original: Network, spec: InputSpec, digits: Digits
) -> None:
    images = spec.normalise(digits[0][:16])
    plain = module_of(original, (3, 8))
    raised = DepositModule({**plain.tensors, LEVEL: torch.full((10,), 1.5)}, plain.filter, 7, 0.0)
    with torch.no_grad():
        before, after = (RecoverNet(original, [one])(images) for one in (plain, raised))
    wanted = compose(before, [(OWNER, before + 1.5)])
    assert torch.equal(after, wanted)


def test_classes_deposited_before_move_with_the_later_modules_level_once_both_are_withdrawn(
    original: Network, spec: InputSpec, digits: Digits
) -> None:
    images = spec.normalise(digits[0][:16])
    once = without_rows(original, (1,))
    first = module_of(original, (1,))
    calibration = Calibration.of(once, spec, digits[0][class_mask(digits[1], (3, 8))], seed=0)
    plain = module_of(original, (3, 8))
    high = DepositModule({**plain.tensors, "rows.bias": plain.tensors["rows.bias"] + 2}, plain.filter, 7, 0.0)
    target = without_rows(once, (3, 8))
    (second,) = calibration.levelled(target, [high], absent=(1,))
    level = second.tensors[LEVEL]
    assert level.nonzero().flatten().tolist() == [1, 3, 8]
    with torch.no_grad():
        alone = RecoverNet(target, [first])(images)
        together = RecoverNet(target, [first, second])(images)
        again = RecoverNet(target, [second, first])(images)
    assert torch.allclose(together[:, 1], alone[:, 1] + level[1])
    assert torch.equal(together, again)


def test_residual_modules_stay_as_they_are(original: Network, spec: InputSpec, digits: Digits) -> None:
    calibration = Calibration.of(original, spec, digits[0][:64], seed=0)
    module = module_of(original, None)
    assert calibration.levelled(original, [module]) == (module,)
