"""Accuracies in percent, the paper's metrics, and one report on original, target and recover net."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from app.lirf.errors import InvalidInputError
from app.lirf.filters import compose, preserved_classes
from app.lirf.module import DepositModule
from app.lirf.networks import InputSpec, Network
from app.lirf.recover import RecoverNet

BATCH = 100
"""Images per forward: larger batches of feature maps fall out of a processor's cache."""

Report = dict[str, dict[str, float | dict[int, float]]]


def logits(net: nn.Module, images: Tensor, spec: InputSpec, batch_size: int = BATCH) -> Tensor:
    """Logits [N, C] of uint8 images [N, C, H, W], on the CPU; the network is set to evaluation mode."""
    return in_batches(net, net, images, spec, batch_size)


@torch.inference_mode()
def in_batches(
    net: nn.Module, ask: Callable[[Tensor], Tensor], images: Tensor, spec: InputSpec, batch_size: int
) -> Tensor:
    """What ``ask`` returns for normalised images on the net's device, joined on the CPU: [N, ...].

    The network is set to evaluation mode.
    """
    net.eval()
    first = next(net.parameters(), None)
    device = first.device if first is not None else torch.device("cpu")
    spec.require(images)
    answers = [ask(spec.normalise(batch.to(device))).cpu() for batch in torch.split(images, batch_size)]
    return torch.cat(answers)


def accuracy(answers: Tensor, labels: Tensor) -> float:
    """Share of rows whose largest logit is the label's, in percent; NaN without rows."""
    if len(labels) == 0:
        return float("nan")
    return float((answers.argmax(dim=1) == labels).double().mean()) * 100


def accuracies(answers: Tensor, labels: Tensor, deposited: Tensor) -> dict[str, float]:
    """Pre, Dep and Avg: accuracy on preserved samples, on deposited samples (bool mask [N]), on all."""
    return {
        "pre": accuracy(answers[~deposited], labels[~deposited]),
        "dep": accuracy(answers[deposited], labels[deposited]),
        "avg": accuracy(answers, labels),
    }


def per_class(answers: Tensor, labels: Tensor) -> dict[int, float]:
    """Accuracy in percent of each class that occurs."""
    return {
        int(index): accuracy(answers[labels == index], labels[labels == index])
        for index in sorted(set(labels.tolist()))
    }


def forgetting(original_dep: float, target_dep: float) -> float:
    """F = Dep(T0) − Dep(T), percentage points."""
    return original_dep - target_dep


def harmonic(pre: float, forgotten: float) -> float:
    """H = 2·Pre·F/(Pre+F); 0 when nothing was forgotten or nothing preserved."""
    return 2 * pre * forgotten / (pre + forgotten) if pre > 0 and forgotten > 0 else 0.0


def class_mask(labels: Tensor, classes: Sequence[int]) -> Tensor:
    """Samples of the given classes: bool [N]."""
    return torch.isin(labels, torch.tensor(list(classes), dtype=labels.dtype))


def report(
    original: Network,
    target: Network,
    modules: Sequence[DepositModule],
    spec: InputSpec,
    images: Tensor,
    labels: Tensor,
    deposited: Tensor | None = None,
    batch_size: int = BATCH,
) -> Report:
    """All figures of one deposit on one mixed test set, every module withdrawn in the recover net.

    Args:
        original: T0, or the target before this deposit.
        target: T as it is served, with or without its sealed rows.
        modules: the deposit modules.
        spec: what the networks read.
        images: uint8 [N, C, H, W].
        labels: int64 [N].
        deposited: bool [N], the samples that should be forgotten; the modules' classes if not given.
        batch_size: images per forward.

    Returns:
        ``original`` (pre, dep, avg, per_class), ``target`` (the same, f, h and, with sealed rows put back,
        pre_rows_kept, dep_rows_kept, h_rows_kept), ``recover`` (pre, dep, avg, per_class), ``swap`` and,
        for comparison with the official code only, ``oracle`` (pre, dep, avg).
    """
    if deposited is None:
        deposited = class_mask(labels, [index for module in modules for index in module.filter.classes])
    served, kept, *branches = answers_of(RecoverNet(target, modules), images, spec, batch_size)
    filters = [module.filter for module in sorted(modules, key=lambda module: module.order)]
    answers = {
        "original": logits(original, images, spec, batch_size),
        "target": served,
        "rows_kept": kept,
        "recover": compose(served, list(zip(filters, branches, strict=True))),
    }
    measured = {name: accuracies(value, labels, deposited) for name, value in answers.items()}
    before = measured["original"]["dep"]
    put_back = measured.pop("rows_kept")
    forgotten = forgetting(before, measured["target"]["dep"])
    measured["target"] |= {
        "f": forgotten,
        "h": harmonic(measured["target"]["pre"], forgotten),
        "pre_rows_kept": put_back["pre"],
        "dep_rows_kept": put_back["dep"],
        "h_rows_kept": harmonic(put_back["pre"], forgetting(before, put_back["dep"])),
    }
    figures: Report = {
        name: {**values, "per_class": per_class(answers[name], labels)} for name, values in measured.items()
    }
    return {
        **figures,
        "swap": {**swap(answers, modules, labels)},
        "oracle": {**oracle(answers["rows_kept"], branches, answers["recover"], labels, deposited)},
    }


def answers_of(
    net: RecoverNet, images: Tensor, spec: InputSpec, batch_size: int = BATCH
) -> tuple[Tensor, ...]:
    """Logits [N, C] of the target as served, of the target with its sealed rows put back, and of each branch.

    Those of a branch are unfiltered, of a residual one without the bias. Every part runs once.
    """

    def ask(x: Tensor) -> Tensor:
        maps = net.trunk(net.shallow(x))
        branches = [net.branch_logits(index, x) for index in range(len(net.branches))]
        return torch.stack([net.head(maps), net.restored_head(maps), *branches], dim=1)

    return in_batches(net, ask, images, spec, batch_size).unbind(dim=1)


def oracle(
    target: Tensor, branches: Sequence[Tensor], recovered: Tensor, labels: Tensor, deposited: Tensor
) -> dict[str, float]:
    """Pre, Dep and Avg as the official LIRF code composes them; for comparison with it and nothing else.

    Preserved samples are answered by the unfiltered sum z_T + Σ_i z of T_r^i then T^(n-), deposited ones by
    the filtered recover net. That asks the label which formula to use, so no served network can do it
    (train_deposit.py of JngwenYe/LIRF, b99a5a5).

    Args:
        target: z_T with its sealed rows put back, since those logits are part of the sum: [N, C].
        branches: per module its unfiltered logits, [N, C].
        recovered: T~(x), [N, C].
        labels: int64 [N].
        deposited: bool [N].
    """
    unfiltered = torch.stack([target, *branches]).sum(dim=0)
    return accuracies(torch.where(deposited[:, None], recovered, unfiltered), labels, deposited)


def swap(answers: Mapping[str, Tensor], modules: Sequence[DepositModule], labels: Tensor) -> dict[str, float]:
    """Who loses accuracy in the composition: T0's own logits stand in for one side at a time.

    ``original_target``: T0's preserved logits with the branches' deposit logits (what the modules cost);
    ``original_branches``: the target's preserved logits with T0's deposit logits (what the target costs).
    Residual modules own no logits, so with them alone both sides are T0 and the target unmixed.
    """
    owners = [module.filter for module in modules if module.filter.kind == "classes"]
    by_modules = compose(answers["original"], [(owner, answers["recover"]) for owner in owners])
    by_target = compose(answers["target"], [(owner, answers["original"]) for owner in owners])
    return {"original_target": accuracy(by_modules, labels), "original_branches": accuracy(by_target, labels)}


def preserved_accuracy(answers: Tensor, labels: Tensor, classes: Sequence[int]) -> float:
    """Accuracy on the preserved samples when only preserved classes compete, in percent."""
    if answers.shape[1] <= max(classes, default=-1):
        raise InvalidInputError(
            "classes", f"{max(classes)} is outside 0..{answers.shape[1] - 1}.", "Name classes of the network."
        )
    kept = list(preserved_classes(answers.shape[1], [], classes))
    inside = class_mask(labels, kept)
    index = torch.tensor(kept)
    return float((index[answers[inside][:, kept].argmax(dim=1)] == labels[inside]).double().mean()) * 100
