import pytest
import torch
from torch import Tensor

from app.lirf.audits.membership import losses_of, membership_auc
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import logits
from app.lirf.networks import InputSpec, Network


def test_the_attack_cannot_tell_equal_losses_apart_and_tells_separated_ones_always() -> None:
    losses = torch.rand(300, generator=torch.Generator().manual_seed(0))
    assert membership_auc(losses, losses) == pytest.approx(0.5)
    assert membership_auc(losses, losses + 1) == 1
    assert membership_auc(losses + 1, losses) == 0
    others = torch.rand(300, generator=torch.Generator().manual_seed(1))
    assert membership_auc(losses, others) == pytest.approx(0.5, abs=0.05)


def test_the_auc_is_the_share_of_pairs_in_which_the_member_has_the_lower_loss() -> None:
    members, others = torch.tensor([0.1, 0.5]), torch.tensor([0.3, 0.5, 0.9])
    pairs = [
        (member < other) + 0.5 * (member == other) for member in members.tolist() for other in others.tolist()
    ]
    assert membership_auc(members, others) == pytest.approx(sum(pairs) / len(pairs))


def test_a_loss_is_minus_the_log_probability_of_the_label(
    original: Network, spec: InputSpec, digits: tuple[Tensor, ...]
) -> None:
    images, labels = digits[2][:40], digits[3][:40]
    losses = losses_of(original, images, labels, spec)
    probabilities = logits(original, images, spec).softmax(dim=1)[torch.arange(40), labels]
    assert losses.shape == (40,)
    assert losses.std() > 0
    assert torch.allclose(losses, -probabilities.log(), atol=1e-4)


def test_samples_of_a_training_set_have_lower_losses_than_others(
    original: Network, spec: InputSpec, digits: tuple[Tensor, ...]
) -> None:
    members = losses_of(original, digits[0], digits[1], spec)
    assert membership_auc(members, losses_of(original, digits[2], digits[3], spec)) > 0.5


def test_losses_that_cannot_be_compared_are_refused() -> None:
    some = torch.ones(2)
    with pytest.raises(InvalidInputError, match=r"member_losses: shape \[0\] is no list of losses"):
        membership_auc(some[:0], some)
    with pytest.raises(InvalidInputError, match=r"other_losses: shape \[2, 1\] is no list of losses"):
        membership_auc(some, some[:, None])
    with pytest.raises(InvalidInputError, match="other_losses: some are NaN"):
        membership_auc(some, torch.tensor([float("nan")]))


@pytest.mark.parametrize(
    ("count", "labels", "message"),
    [
        (0, torch.zeros(0).long(), "labels: there are no images"),
        (3, torch.tensor([0, 1]), r"labels: they are torch.int64 \[2\] for 3 images"),
        (2, torch.tensor([0, 10]), r"labels: class 10 is outside 0\.\.9"),
    ],
)
def test_losses_need_a_label_of_the_network_for_each_image(
    untrained: Network, spec: InputSpec, count: int, labels: Tensor, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        losses_of(untrained, torch.zeros(count, 3, 8, 8).byte(), labels, spec)
