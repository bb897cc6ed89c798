import pytest
import torch
from torch import Tensor

from app.lirf.audits.features import penultimate, require_features
from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import logits
from app.lirf.networks import InputSpec, Network, available, classifier, create
from app.lirf.rows import without_rows
from app.lirf.train import seed_everything


@pytest.fixture
def images() -> Tensor:
    chance = torch.Generator().manual_seed(2)
    return torch.randint(0, 256, (7, 3, 8, 8), dtype=torch.uint8, generator=chance)


@pytest.mark.parametrize("architecture", available())
def test_the_classifier_turns_the_features_of_any_architecture_into_its_logits(
    architecture: str, spec: InputSpec, images: Tensor
) -> None:
    seed_everything(0)
    net = create(architecture, num_classes=10).frozen()
    features = penultimate(net, images, spec, batch_size=3)
    assert features.shape == (7, classifier(net).in_features)
    assert (features.dtype, features.device.type) == (torch.float32, "cpu")
    assert features.std(dim=0).max() > 0
    assert torch.allclose(classifier(net)(features), logits(net, images, spec), rtol=1e-3, atol=1e-4)


def test_sealing_rows_changes_logits_and_no_feature(
    untrained: Network, spec: InputSpec, images: Tensor
) -> None:
    sealed = without_rows(untrained, [3, 8])
    assert not torch.equal(logits(sealed, images, spec), logits(untrained, images, spec))
    assert torch.equal(penultimate(sealed, images, spec), penultimate(untrained, images, spec))


def test_a_network_whose_features_were_read_is_as_it_was_but_in_evaluation_mode(
    untrained: Network, spec: InputSpec, images: Tensor
) -> None:
    untrained.train().requires_grad_()
    before = {name: tensor.clone() for name, tensor in untrained.state_dict().items()}
    penultimate(untrained, images, spec)
    with pytest.raises(InvalidInputError, match=r"images: pixels are torch\.float32, not uint8"):
        penultimate(untrained, images.float(), spec)
    assert not untrained.training
    assert all(parameter.requires_grad for parameter in untrained.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in untrained.state_dict().items())
    assert not classifier(untrained)._forward_pre_hooks


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (torch.zeros(3), r"features: torch\.float32 \[3\] is no floating \[N, F\]"),
        (torch.zeros(3, 2).long(), r"features: torch\.int64 \[3, 2\] is no floating \[N, F\]"),
        (torch.zeros(0, 2), "features: there are no rows"),
        (torch.zeros(3, 4), "features: rows have 4 features where the training rows have 2"),
        (torch.tensor([[0.0, float("nan")]]), "features: some are NaN or infinite"),
    ],
)
def test_features_that_cannot_be_used_are_refused(features: Tensor, message: str) -> None:
    require_features(torch.zeros(3, 2), "features", 2)
    with pytest.raises(InvalidInputError, match=message):
        require_features(features, "features", 2)
