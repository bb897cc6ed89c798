"""What a deposit minimises: the paper's objective and the stronger one, each visible in one function."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from app.lirf import losses
from app.lirf.config import DepositConfig
from app.lirf.filters import LogitFilter, columns, compose
from app.lirf.networks import Network
from app.lirf.reader import Reader, told
from app.lirf.recover import residual_logits

Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Parts:
    """T = shallow, then the frozen deep part as trunk and head; T_r^i with their filters.

    Attributes:
        shallow: T^(-n), trained.
        trunk: T^(n-) up to the classifier's block.
        head: the classifier's block.
        branches: per set its filter and T_r^i, trained.
        preserved: the classes that g keeps.
        present: all classes that are still answered.
        reader: whom the features of T escape.
    """

    shallow: nn.Module
    trunk: nn.Module
    head: Network
    branches: Sequence[tuple[LogitFilter, nn.Module]]
    preserved: tuple[int, ...]
    present: tuple[int, ...]
    reader: Reader

    def deep(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Maps before the head and logits [N, C], both float32 whatever the trunk computes in."""
        maps = self.trunk(features)
        with torch.autocast(maps.device.type, enabled=False):
            maps = maps.float()
            logits: Tensor = self.head(maps)
        return maps, logits


@dataclass(frozen=True)
class Batch:
    """Inputs [N + M, ...], deposit samples first, then M surrogates, with what T0 and T* answer to them.

    Attributes:
        inputs: normalised.
        labels: int64 [N].
        random: y_r, int64 [N].
        owner: int64 [N], the index of the set that each deposit sample comes from.
        features: T0^(-n), [N + M, ...].
        maps: T0's features before the head.
        logits: z_T0, [N + M, C].
        taught_maps: what T should have before the head.
        taught_logits: what T should answer, [N + M, C].
    """

    inputs: Tensor
    labels: Tensor
    random: Tensor
    owner: Tensor
    features: Tensor
    maps: Tensor
    logits: Tensor
    taught_maps: Tensor
    taught_logits: Tensor


def paper_objective(batch: Batch, parts: Parts, config: DepositConfig) -> Terms:
    """L_all = L_kr + λ_kp L_kp + λ_re L_re + λ_pt L_pt (supplement Eq. 3), each already weighted.

    L_kr and L_kp run on the union of the sets; L_re and L_pt sum over i on x_i of D_r^i. A residual module owns
    no logits: its L_pt is taken on what it and T answer together.
    """
    features = parts.shallow(batch.inputs)
    _, z_target = parts.deep(features)
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
    """T learns from the forgetting teacher T*, T_r from T0, both on surrogates too; each term already weighted.

    T:     λ_kr · KD(z_T, z*) on D_r + λ_kp · KD(z_T, z*) on surrogates + λ_map · maps, everywhere, and
           strength · what the reader is told of D_r.
    T_r^i: λ_pt · KD(T0 with its deposit logits, z_T0) + λ_level · squared error of these logits
           + λ_all · KD of all logits + λ_feature · features, everywhere, and λ_re · KD(T~, z_T0) beside T as it is.
    Residual sets: T* answers as T0 does to x with a hole, and T learns it twice as hard, since single answers
    are harder to change than a class; T_r^i learns the difference to T0, by all of these and L_re of the paper.
    """
    count = len(batch.labels)
    emphasis = 1 + float(of_residual_set(batch.owner, parts.branches).float().mean())
    maps, z_target = parts.deep(parts.shallow(batch.inputs))
    answered, taught = columns(z_target, parts.present), columns(batch.taught_logits, parts.present)
    terms = {
        "kr": emphasis
        * config.lambda_kr
        * losses.distillation(answered[:count], taught[:count], config.temperature),
        "kp": emphasis
        * config.lambda_kp
        * _on_surrogates(answered[count:], taught[count:], config.temperature),
        "map": config.lambda_map * losses.map_matching(maps, batch.taught_maps, batch.maps),
        "read": config.strength * _read(pooled(maps), batch, parts),
    }
    return terms | _branch_terms(batch, parts, config, z_target.detach())


def _read(features: Tensor, batch: Batch, parts: Parts) -> Tensor:
    """What the reader is told of the samples whose whole class is deposited; it takes T0's word for surrogates."""
    count = len(batch.labels)
    seen = batch.logits[count:].argmax(dim=1)
    labels = torch.cat([batch.labels, seen])
    deposited = torch.tensor(
        [index for owner, _ in parts.branches for index in owner.classes], device=labels.device
    )
    honest = ~torch.isin(seen, deposited)
    shown = torch.cat([honest.new_ones(count), honest])
    parts.reader.show(features.detach()[shown], labels[shown])
    own = (~of_residual_set(batch.owner, parts.branches)).nonzero().flatten()
    if not len(own):
        return features.new_zeros(())
    return told(parts.reader.scores(features[own]), batch.labels[own])


def _branch_terms(batch: Batch, parts: Parts, config: DepositConfig, z_target: Tensor) -> Terms:
    transfer, level, everywhere, matching, recovery = (z_target.new_zeros(()) for _ in range(5))
    count = len(batch.labels)
    f_branches = [branch(batch.inputs) for _, branch in parts.branches]
    z_branches = _branch_logits(parts, f_branches)
    original = columns(batch.logits, parts.present)
    for index, (owner, z_branch) in enumerate(z_branches):
        if owner.kind == "residual":
            together, own = z_target + z_branch, batch.owner == index
            everywhere = (
                everywhere
                + losses.residual_matching(together, batch.logits)
                + _on_surrogates(together[count:], batch.logits[count:], config.temperature)
            )
            if bool(own.any()):
                shown, wanted = together[:count][own], batch.logits[:count][own]
                recovery = recovery + losses.distillation(shown, wanted, config.temperature)
                transfer = transfer + losses.recovery(shown, batch.labels[own])
            continue
        swapped = columns(compose(batch.logits, [(owner, z_branch)]), parts.present)
        transfer = transfer + losses.distillation(swapped, original, config.temperature)
        level = level + losses.level_matching(owner.select(z_branch), owner.select(batch.logits))
        everywhere = everywhere + losses.distillation(
            columns(z_branch, parts.present), original, config.temperature
        )
        matching = matching + losses.feature_matching(f_branches[index].float(), batch.features)
    known = _of_class_sets(batch, parts)
    composed = columns(compose(z_target, z_branches), parts.present)
    return {
        "re": config.lambda_re
        * (recovery + losses.distillation(composed[known], original[known], config.temperature)),
        "pt": config.lambda_pt * transfer,
        "level": config.lambda_level * level,
        "all": config.lambda_all * everywhere,
        "feature": config.lambda_feature * matching,
    }


def _branch_logits(parts: Parts, f_branches: Sequence[Tensor]) -> list[tuple[LogitFilter, Tensor]]:
    """T_r^i then T^(n-), as the recover net will answer."""
    answers = []
    for (owner, _), features in zip(parts.branches, f_branches, strict=True):
        maps, logits = parts.deep(features)
        answers.append((owner, residual_logits(parts.head, maps) if owner.kind == "residual" else logits))
    return answers


def pooled(maps: Tensor) -> Tensor:
    """Maps [N, F, H, W] -> their means [N, F]; features [N, F] as they are."""
    return maps.flatten(2).mean(dim=2) if maps.ndim > 2 else maps  # noqa: PLR2004 - [N, F]


def _on_surrogates(answered: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """The preservation term; 0 where an objective was given no surrogates."""
    return losses.distillation(answered, taught, temperature) if len(answered) else answered.sum()


def _of_class_sets(batch: Batch, parts: Parts) -> Tensor:
    """All inputs but the samples of residual sets; bool [N + M]."""
    surrogate = batch.owner.new_ones(len(batch.inputs) - len(batch.owner), dtype=torch.bool)
    return torch.cat([~of_residual_set(batch.owner, parts.branches), surrogate])


def of_residual_set(owner: Tensor, branches: Sequence[tuple[LogitFilter, nn.Module]]) -> Tensor:
    """Whether each deposit sample belongs to a set that shares its classes: bool [N]."""
    kinds = torch.tensor(
        [logit_filter.kind == "residual" for logit_filter, _ in branches], device=owner.device
    )
    return kinds[owner]
