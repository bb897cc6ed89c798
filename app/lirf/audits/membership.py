"""Membership inference from losses: can an attacker tell samples of D_r from samples never trained on?"""

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

from app.lirf.checks import require_labels
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import logits
from app.lirf.networks import InputSpec


def losses_of(net: nn.Module, images: Tensor, labels: Tensor, spec: InputSpec) -> Tensor:
    """Cross entropy of each sample: uint8 images [N, C, H, W] and int64 labels [N] -> float32 [N], in nats.

    Give a target with its sealed rows put back (`app.lirf.rows.with_rows`): a sealed class costs about 10,000
    whatever the image, and float32 has no room beside that for what membership changes.

    Raises:
        InvalidInputError: images or labels that do not fit.
    """
    answers = logits(net, images, spec).float()
    require_labels(labels, len(images), answers.shape[1])
    return F.cross_entropy(answers, labels, reduction="none")


def membership_auc(member_losses: Tensor, other_losses: Tensor) -> float:
    """AUC of the attack that calls samples of low loss members (Yeom et al., 1709.01604).

    P(loss of a member < loss of another), ties counted half: 1 where every member gives itself away, 0.5
    where the attack cannot tell. Below 0.5 members have the higher losses, which gives them away too.

    Args:
        member_losses: [N], of samples that were trained on.
        other_losses: [M], of samples of the same distribution that were not.

    Raises:
        InvalidInputError: no losses on one side, another shape, or losses that are NaN.
    """
    for field, losses in (("member_losses", member_losses), ("other_losses", other_losses)):
        if losses.ndim != 1 or len(losses) == 0:
            raise InvalidInputError(
                field, f"shape {list(losses.shape)} is no list of losses.", "Give one loss per sample."
            )
        if bool(losses.isnan().any()):
            raise InvalidInputError(field, "some are NaN.", "Check the network that made them.")
    scores = -torch.cat([member_losses, other_losses]).double()
    is_member = torch.cat([torch.ones(len(member_losses)), torch.zeros(len(other_losses))])
    return float(roc_auc_score(is_member.numpy(), scores.numpy()))
