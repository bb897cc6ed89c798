"""The losses of LIRF (supplement Eq. 3) and of the stronger objective, as pure functions.

Shapes: logits [N, C] or, after a filter, [N, k]; features [N, C', H, W]; labels int64 [N]. Every loss is
a scalar, averaged over the batch. τ is the temperature.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

EMPHASIS = 10.0
SINGULAR = 1e-2
"""Directions of a classifier weaker than this share of its strongest are none."""


def attention_map(features: Tensor) -> Tensor:
    """A(f) = vec(mean_c f_c²) / ‖·‖₂ per sample: [N, C', H, W] -> [N, H·W] (1612.03928)."""
    return F.normalize(features.square().mean(dim=1).flatten(1), dim=1)


def attention(features: Tensor, original_features: Tensor) -> Tensor:
    """L_at = ‖A(T^(-n)(x)) − A(T0^(-n)(x))‖²: 0 where both look at the same pixels, at most 2."""
    return (attention_map(features) - attention_map(original_features)).square().sum(dim=1).mean()


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KD = τ² · KL(softmax(teacher/τ) ‖ softmax(student/τ)) (Hinton et al., 1503.02531).

    Over a single column both sides are the constant 1 and the loss is 0.
    """
    return temperature**2 * F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )


def knowledge_removal(
    logits: Tensor, random: Tensor, features: Tensor, original_features: Tensor, lambda_at: float
) -> Tensor:
    """L_kr = CE(T(x), y_r) − λ_at · L_at(T^(-n)(x), T0^(-n)(x))."""
    return F.cross_entropy(logits, random) - lambda_at * attention(features, original_features)


def knowledge_preservation(preserved: Tensor, original_preserved: Tensor, temperature: float) -> Tensor:
    """L_kp = KD(g(z_T/τ), g(z_T0/τ)), on the logits of the preserved classes."""
    return distillation(preserved, original_preserved, temperature)


def recovery(composed: Tensor, labels: Tensor) -> Tensor:
    """L_re = CE(T~(x), y), with T~ composed as it will be served."""
    return F.cross_entropy(composed, labels)


def partial_transfer(deposited: Tensor, original_deposited: Tensor, temperature: float) -> Tensor:
    """L_pt = KD(g_bar(z of T_r then T^(n-) /τ), g_bar(z_T0/τ)), on the logits of the deposit set.

    Eq. 3 prints T_r ∘ T^(-n); Algorithm 1 and Eq. 5 show that T^(n-) is meant.
    """
    return distillation(deposited, original_deposited, temperature)


def forgetting_pull(rows: Tensor, places: Sequence[int]) -> Tensor:
    """The least change of the features that lowers each deposited logit by one and moves the others least.

    Weighted least squares: the deposited rows count ``EMPHASIS`` times as much. The rows of a classifier trained
    with weight decay sum to about zero, so a deposited logit cannot fall alone; then the preserved ones rise by the
    same amount each, and their order stays.

    Args:
        rows: of the present classes, [P, F].
        places: the k deposited ones among them.

    Returns:
        [F, k].
    """
    emphasis = rows.new_ones(len(rows)).index_fill(
        0, torch.tensor(places, dtype=torch.long, device=rows.device), EMPHASIS
    )
    inverse: Tensor = torch.linalg.pinv(rows * emphasis[:, None], rtol=SINGULAR)
    return -EMPHASIS * inverse[:, places]


def forgetful(
    logits: Tensor, maps: Tensor, pull: Tensor, weight: Tensor, gone: Sequence[int], low: Tensor
) -> tuple[Tensor, Tensor]:
    """T*: what T0 would answer without evidence for the deposited classes; the teacher of the target.

    Δf = pull · relu(z[gone] − low), z* = z + W·Δf, and the same Δf at every place of the maps.

    Args:
        logits: z_T0, [N, C].
        maps: T0's features before the head, [N, F, H, W] or [N, F].
        pull: see `forgetting_pull`, [F, k].
        weight: W, the classifier's rows, [C, F].
        gone: the k deposited classes.
        low: where their logits should be, a scalar.

    Returns:
        z* [N, C] and the maps of T*; unchanged maps if they are not what the classifier averages.
    """
    index = torch.tensor(gone, dtype=torch.long, device=logits.device)
    change = (logits.index_select(1, index) - low).clamp_min(0) @ pull.T
    shifted = maps
    if maps.shape[1] == weight.shape[1]:
        shifted = maps + change.reshape(*change.shape, *(1,) * (maps.ndim - 2))
    return logits + change @ weight.T, shifted


def feature_change(change: Tensor, maps: Tensor, weight: Tensor) -> Tensor:
    """The least change of the maps that changes the logits by ``change``, the same at every place.

    Args:
        change: of the logits, [N, C].
        maps: before the head, [N, F, H, W] or [N, F].
        weight: W, the classifier's rows, [C, F].

    Returns:
        As ``maps``; zero if they are not what the classifier averages.
    """
    if maps.shape[1] != weight.shape[1]:
        return torch.zeros_like(maps)
    least: Tensor = change @ torch.linalg.pinv(weight, rtol=SINGULAR).T
    return least.reshape(*least.shape, *(1,) * (maps.ndim - 2)).expand_as(maps)


def map_matching(maps: Tensor, wanted: Tensor, original: Tensor) -> Tensor:
    """‖F − F*‖² over the variance of T0's maps, mean over all entries."""
    return F.mse_loss(maps, wanted) / original.var().clamp_min(1e-12)


def level_matching(deposited: Tensor, original_deposited: Tensor) -> Tensor:
    """Mean (g_bar(z of T_r then T^(n-)) − g_bar(z_T0))²: logits that stand beside the target's need the right level."""
    return F.mse_loss(deposited, original_deposited)


def residual_matching(logits: Tensor, original_logits: Tensor) -> Tensor:
    """½ mean (z − z_T0)² of what target and residual module answer together."""
    return 0.5 * level_matching(logits, original_logits)


def feature_matching(features: Tensor, original_features: Tensor) -> Tensor:
    """‖f_r − f_0‖² / ‖f_0‖² over the batch, at the block where the branch joins the shared deep part."""
    return F.mse_loss(features, original_features) / original_features.square().mean().clamp_min(1e-12)


def random_labels(labels: Tensor, allowed: Sequence[int], generator: torch.Generator) -> Tensor:
    """y_r: uniform over the allowed classes without each sample's true class; [N] -> [N].

    Args:
        labels: true classes on the CPU.
        allowed: at least two classes, or one that is no sample's true class.
        generator: the source of chance.
    """
    classes = torch.tensor(allowed, dtype=torch.long)
    is_true = classes[None, :] == labels[:, None]
    choices = len(allowed) - is_true.any(dim=1).long()
    draw = (torch.rand(len(labels), generator=generator, dtype=torch.float64) * choices).long()
    skip = is_true.long().argmax(dim=1)
    draw = draw + (is_true.any(dim=1) & (draw >= skip)).long()
    return classes[draw]
