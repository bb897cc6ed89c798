"""Several sets, deposited or withdrawn together or one after the other."""

from collections.abc import Mapping, Sequence

import torch

from app.lirf.evaluation import logits
from app.lirf.module import DepositModule
from app.lirf.networks import Network
from app.lirf.recover import RecoverNet
from experiments.reproduce.bench import Bench
from experiments.reproduce.deposits import class_set, deposited
from experiments.reproduce.measures.figures import (
    BATCH,
    Sets,
    by_set,
    figures_of,
    forgotten,
    over,
    rows_kept_by_set,
)
from experiments.reproduce.originals import original
from experiments.reproduce.study import Cell, CellFailedError, Measured, Row, Work


class NotIdenticalError(CellFailedError):
    """Two orders of withdrawal led to different recover nets."""


def deposit_in_steps(bench: Bench, cell: Cell) -> Measured:
    """Deposit the ``sets`` (name -> classes) in ``steps`` (names), each from the target of the step before.

    The report is on T0, the last target, and the recover net with everything withdrawn. ``sets`` has each
    net's accuracy per set, ``step`` Dep, F and H on what the last step deposited.
    """
    sets: Sets = cell.arguments["sets"]
    steps: Sequence[Sequence[str]] = cell.arguments["steps"]
    start = original(bench)
    target, modules, works, absent = start, list[DepositModule](), list[Work](), list[int]()
    for step in steps:
        chosen = [class_set(bench, sets[name]) for name in step]
        done = deposited(bench, target, chosen, cell.deposit_config, absent=sorted(absent))
        target, modules, works = done.target, [*modules, *done.modules], [*works, done.work]
        absent += [index for name in step for index in sets[name]]
    figures = figures_of(bench, start, target, modules)
    taken = {name: classes for name, classes in sets.items() if set(classes) <= set(absent)}
    per_set = {**by_set(bench, figures, sets), "rows_kept": rows_kept_by_set(bench, target, modules, taken)}
    last = {name: sets[name] for name in steps[-1]}
    return Measured({**figures, "sets": per_set, "step": _step(bench, figures, per_set, last)}, tuple(works))


def withdraw_in_steps(bench: Bench, cell: Cell) -> Measured:
    """Deposit the ``sets`` at once and withdraw them in the ``order`` of names, which may leave some out.

    What is left out is not known to the recover net: its test images are left out too. A net with
    everything withdrawn is compared bit by bit with that of all modules at once, see ``identical``.

    Raises:
        NotIdenticalError: the comparison failed.
    """
    sets: Sets = cell.arguments["sets"]
    order: Sequence[str] = cell.arguments["order"]
    start = original(bench)
    done = deposited(
        bench, start, [class_set(bench, classes) for classes in sets.values()], cell.deposit_config
    )
    modules = dict(zip(sets, done.modules, strict=True))
    unknown = [label for name, classes in sets.items() if name not in order for label in classes]
    figures = figures_of(bench, start, done.target, [modules[name] for name in order], unknown)
    figures["sets"] = by_set(bench, figures, {name: sets[name] for name in order})
    if not unknown:
        figures["identical"] = _identical(bench, done.target, modules, order)
    return Measured(figures, (done.work,))


def _step(bench: Bench, figures: Row, per_set: Mapping[str, Mapping[str, float]], last: Sets) -> Row:
    """Dep, F and H on the sets of the last step alone, as served and with the sealed rows put back."""
    before, after, kept = (over(bench, per_set[net], last) for net in ("original", "target", "rows_kept"))
    back = forgotten(figures["target"]["pre_rows_kept"], before, kept)
    return {
        **forgotten(figures["target"]["pre"], before, after),
        **{f"{name}_rows_kept": value for name, value in back.items()},
    }


def _identical(
    bench: Bench, target: Network, modules: Mapping[str, DepositModule], order: Sequence[str]
) -> dict[str, bool]:
    """Withdraw one after the other and compare the last net with that of all modules at once."""
    once = RecoverNet(target, list(modules.values()))
    for count in range(1, len(order) + 1):
        stepwise = RecoverNet(target, [modules[name] for name in order[:count]])
    first, second = once.state_dict(), stepwise.state_dict()
    tensors = first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    answers = [logits(net, bench.test.images, bench.spec, BATCH) for net in (once, stepwise)]
    if not tensors or not torch.equal(*answers):
        raise NotIdenticalError(f"Withdrawing in the order {', '.join(order)} gave another recover net.")
    return {"tensors": True, "logits": True}
