"""What the classifier layer reads."""

from torch import Tensor, nn

from app.lirf.errors import InvalidInputError
from app.lirf.evaluation import in_batches
from app.lirf.networks import InputSpec, Network, classifier

MATRIX = 2


def penultimate(net: Network, images: Tensor, spec: InputSpec, batch_size: int = 500) -> Tensor:
    """Inputs of the classifier layer: uint8 images [N, C, H, W] -> float32 [N, F] on the CPU.

    A sealed row is part of the classifier, so nothing of it shows here. The network is set to evaluation
    mode and is otherwise left as it was.

    Raises:
        InvalidInputError: images that do not fit, or a network without a linear classifier.
    """
    read: list[Tensor] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        read.append(inputs[0])

    def ask(x: Tensor) -> Tensor:
        net(x)
        return read.pop()

    with classifier(net).register_forward_pre_hook(keep):
        return in_batches(net, ask, images, spec, batch_size).float()


def require_features(features: Tensor, field: str, width: int | None = None) -> None:
    """Refuse anything that is not a finite floating [N, F] with N > 0, and F = ``width`` if given.

    Raises:
        InvalidInputError: another shape or type, no rows, or values that are no numbers.
    """
    if features.ndim != MATRIX or not features.is_floating_point():
        raise InvalidInputError(
            field,
            f"{features.dtype} {list(features.shape)} is no floating [N, F].",
            "Give one row of features per image.",
        )
    if len(features) == 0:
        raise InvalidInputError(field, "there are no rows.", "Give the features of at least one image.")
    if width is not None and features.shape[1] != width:
        raise InvalidInputError(
            field,
            f"rows have {features.shape[1]} features where the training rows have {width}.",
            "Take both from the same network.",
        )
    if not bool(features.isfinite().all()):
        raise InvalidInputError(field, "some are NaN or infinite.", "Check the network that made them.")
