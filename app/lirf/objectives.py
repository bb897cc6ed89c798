"""What a deposit minimises: the paper's objective and the stronger one, each visible in one function."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from app.lirf import losses
from app.lirf.config import DepositConfig
from app.lirf.filters import LogitFilter, columns, compose
from app.lirf.networks import Network
from app.lirf.recover import residual_logits

Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Parts:
    """T = shallow then deep; T_r^i with their filters; the classes that g keeps, and all still answered."""

    shallow: Network
    deep: Network
    branches: Sequence[tuple[LogitFilter, Network]]
    preserved: tuple[int, ...]
    present: tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """Inputs [N + M, ...], deposit samples first, then M surrogates, with T0's answers to all of them.

    Attributes:
        inputs: normalised.
        labels: int64 [N].
        random: y_r, int64 [N].
        owner: int64 [N], the index of the set that each deposit sample comes from.
        features: T0^(-n), [N + M, ...].
        logits: z_T0, [N + M, C].
        unseen: z_T0 on disturbed views of the deposit samples, [N, C]; only where a residual set needs it.
    """

    inputs: Tensor
    labels: Tensor
    random: Tensor
    owner: Tensor
    features: Tensor
    logits: Tensor
    unseen: Tensor | None


def paper_objective(batch: Batch, parts: Parts, config: DepositConfig) -> Terms:
    """L_all = L_kr + λ_kp L_kp + λ_re L_re + λ_pt L_pt (supplement Eq. 3), each already weighted.

    L_kr and L_kp run on the union of the sets; L_re and L_pt sum over i on x_i of D_r^i. A residual module owns
    no logits: its L_pt is taken on what it and T answer together.
    """
    features = parts.shallow(batch.inputs)
    z_target = parts.deep(features)
    z_branches = _branch_logits(parts, [branch(batch.inputs) for _, branch in parts.branches])
    composed = compose(z_target, z_branches)
    removal = losses.knowledge_removal(z_target, batch.random, features, batch.features, config.lambda_at)
    preservation = losses.knowledge_preservation(
        columns(z_target, parts.preserved), columns(batch.logits, parts.preserved), config.temperature
    )
    recovery, transfer = z_target.new_zeros(()), z_target.new_zeros(())
    for index, (owner, z_branch) in enumerate(z_branches):
        own = batch.owner == index
        if bool(own.any()):
            recovery = recovery + losses.recovery(composed[own], batch.labels[own])
            answers = composed if owner.kind == "residual" else z_branch
            transfer = transfer + losses.partial_transfer(
                owner.select(answers[own]), owner.select(batch.logits[own]), config.temperature
            )
    return {
        "kr": config.lambda_kr * removal,
        "kp": config.lambda_kp * preservation,
        "re": config.lambda_re * recovery,
        "pt": config.lambda_pt * transfer,
    }


def plus_objective(batch: Batch, parts: Parts, config: DepositConfig) -> Terms:
    """Masked-logit removal, T0 teaching both branches on surrogates too; each term already weighted.

    T:     λ_kr · KL(masked z_T0 ‖ z_T) on D_r − λ_at · L_at + λ_kp · KD + λ_anchor · MSE of preserved logits.
    T_r^i: λ_pt · KD of its logits on x_i + λ_all · KD of all logits + λ_feature · features, everywhere.
    Residual sets: T learns the answers that T0 gives to disturbed views of x, T_r^i the difference to T0.
    """
    count = len(batch.labels)
    features = parts.shallow(batch.inputs)
    z_target = parts.deep(features)
    taught = _taught(batch, parts)
    kept, kept_original = (columns(z[taught], parts.preserved) for z in (z_target, batch.logits))
    terms = {
        "kr": config.lambda_kr * _removal(batch, parts, z_target[:count]),
        "at": -config.lambda_at * losses.attention(features[:count], batch.features[:count]),
        "kp": config.lambda_kp * losses.knowledge_preservation(kept, kept_original, config.temperature),
        "anchor": config.lambda_anchor * losses.anchor(kept, kept_original),
    }
    transfer, everywhere, matching = (z_target.new_zeros(()) for _ in range(3))
    f_branches = [branch(batch.inputs) for _, branch in parts.branches]
    z_branches = _branch_logits(parts, f_branches)
    for index, (owner, z_branch) in enumerate(z_branches):
        if owner.kind == "residual":
            everywhere = everywhere + losses.anchor(z_target.detach() + z_branch, batch.logits)
            continue
        own = (batch.owner == index).nonzero().flatten()
        if len(own):
            transfer = transfer + losses.partial_transfer(
                owner.select(z_branch[own]), owner.select(batch.logits[own]), config.temperature
            )
        everywhere = everywhere + losses.distillation(
            columns(z_branch, parts.present), columns(batch.logits, parts.present), config.temperature
        )
        matching = matching + losses.feature_matching(f_branches[index], batch.features)
    composed = columns(compose(z_target, z_branches)[taught], parts.present)
    seam = losses.distillation(composed, columns(batch.logits[taught], parts.present), config.temperature)
    return terms | {
        "re": config.lambda_re * seam,
        "pt": config.lambda_pt * transfer,
        "all": config.lambda_all * everywhere,
        "feature": config.lambda_feature * matching,
    }


def _branch_logits(parts: Parts, f_branches: Sequence[Tensor]) -> list[tuple[LogitFilter, Tensor]]:
    """T_r^i then T^(n-), as the recover net will answer."""
    trunk, head = parts.deep.part(0, len(parts.deep) - 1), parts.deep.part(len(parts.deep) - 1)
    answers = []
    for (owner, _), features in zip(parts.branches, f_branches, strict=True):
        joined = trunk(features)
        answers.append((owner, residual_logits(head, joined) if owner.kind == "residual" else head(joined)))
    return answers


def _removal(batch: Batch, parts: Parts, z_target: Tensor) -> Tensor:
    """Masked-logit KL on samples of class sets, softened answers on samples of residual sets."""
    count = len(batch.labels)
    residual = _of_residual_set(batch, parts)
    gone = [index for index in range(z_target.shape[1]) if index not in parts.preserved]
    removal = z_target.new_zeros(())
    if not bool(residual.all()):
        whole = ~residual
        removal = removal + losses.masked_removal(z_target[whole], batch.logits[:count][whole], gone)
    if batch.unseen is not None and bool(residual.any()):
        removal = removal + losses.softened_removal(z_target[residual], batch.unseen[residual])
    return removal


def _taught(batch: Batch, parts: Parts) -> Tensor:
    """Inputs on which T keeps T0's preserved logits: all but the samples of residual sets; bool [N + M]."""
    surrogate = batch.owner.new_ones(len(batch.inputs) - len(batch.owner), dtype=torch.bool)
    return torch.cat([~_of_residual_set(batch, parts), surrogate])


def _of_residual_set(batch: Batch, parts: Parts) -> Tensor:
    kinds = torch.tensor([owner.kind == "residual" for owner, _ in parts.branches], device=batch.owner.device)
    return kinds[batch.owner]
