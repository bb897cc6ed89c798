"""The losses of LIRF (supplement Eq. 3) and of the stronger objective, as pure functions.

Shapes: logits [N, C] or, after a filter, [N, k]; features [N, C', H, W]; labels int64 [N]. Every loss is
a scalar, averaged over the batch. τ is the temperature.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

MASKED = -1e9


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


def masked_removal(logits: Tensor, original_logits: Tensor, deposited: Sequence[int]) -> Tensor:
    """KL(softmax(z_T0 with the deposit logits masked out) ‖ softmax(z_T)) (DELETE, 2503.23751).

    The original's second thoughts stand in for random labels: forgetting and preserving pull the same way,
    and no share of the mass is left on the deposited classes.
    """
    index = torch.tensor(deposited, dtype=torch.long, device=logits.device)
    teacher = original_logits.index_fill(1, index, MASKED)
    return F.kl_div(F.log_softmax(logits, dim=1), F.softmax(teacher, dim=1), reduction="batchmean")


def softened_removal(logits: Tensor, unseen_logits: Tensor) -> Tensor:
    """KL(softmax(z of T0 on disturbed views of x) ‖ softmax(z_T(x))) for a set that shares its classes.

    A sample that was never trained on is answered with the confidence T0 has on views it never saw.
    """
    return F.kl_div(F.log_softmax(logits, dim=1), F.softmax(unseen_logits, dim=1), reduction="batchmean")


def anchor(logits: Tensor, original_logits: Tensor) -> Tensor:
    """Mean (z − z_T0)²: KD leaves a common shift free, which would tilt the composition of two branches."""
    return F.mse_loss(logits, original_logits)


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
