"""The linear probe: can a new last layer read the deposited classes from frozen features?"""

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from app.lirf.audits.features import require_features
from app.lirf.checks import require_labels
from app.lirf.errors import InvalidInputError

MINIMUM_CLASSES = 2
MAX_ITERATIONS = 2_000


def linear_probe(
    train_features: Tensor, train_labels: Tensor, test_features: Tensor, num_classes: int
) -> Tensor:
    """Predicted classes [M] of test features [M, F] by multinomial logistic regression (Alain & Bengio, 1610.01644).

    Features are standardised with the mean and deviation of the training rows; L2 penalty 1, solver lbfgs
    from zero weights, so the answer depends on the inputs alone. Only classes of the training labels are
    ever predicted.

    Args:
        train_features: floating [N, F], of the images that the attacker holds.
        train_labels: int64 [N], at least two different ones.
        test_features: floating [M, F], of the same network.
        num_classes: labels are in 0..num_classes-1.

    Raises:
        InvalidInputError: features or labels that do not fit, or labels of one class only.
    """
    require_features(train_features, "train_features")
    require_labels(train_labels, len(train_features), num_classes, "train_labels")
    require_features(test_features, "test_features", train_features.shape[1])
    found = sorted(set(train_labels.tolist()))
    if len(found) < MINIMUM_CLASSES:
        raise InvalidInputError(
            "train_labels", f"all are of class {found[0]}.", "Give images of at least two classes."
        )
    probe = make_pipeline(StandardScaler(), LogisticRegression(solver="lbfgs", max_iter=MAX_ITERATIONS))
    probe.fit(train_features.double().numpy(), train_labels.numpy())
    return torch.from_numpy(probe.predict(test_features.double().numpy()))
