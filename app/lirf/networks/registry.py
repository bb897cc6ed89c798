from importlib import import_module

from torch import nn

from app.lirf.errors import InvalidInputError
from app.lirf.networks import allcnn, cifar_resnet, torchvision_resnet
from app.lirf.networks.network import Network, classifier

MINIMUM_CLASSES = 2


def available() -> tuple[str, ...]:
    """Names that `create` knows; a user's own architecture comes by import path beside them."""
    return (*cifar_resnet.BLOCKS_PER_STAGE, *torchvision_resnet.NAMES, "allcnn")


def create(architecture: str, num_classes: int, in_channels: int = 3) -> Network:
    """A freshly initialised network; torch's global generator decides the weights.

    Args:
        architecture: one of `available()`, or ``package.module:factory``, a callable that takes
            ``num_classes`` and ``in_channels`` and returns an nn.Sequential of blocks whose last block
            ends in nn.Linear(features, num_classes).
        num_classes: rows of the classifier, at least 2.
        in_channels: colour channels of the input.

    Raises:
        InvalidInputError: unknown name, factory that cannot be imported, or a net that is no list of blocks.
    """
    if num_classes < MINIMUM_CLASSES:
        raise InvalidInputError("num_classes", f"{num_classes} is too few.", "Give at least two classes.")
    if architecture in cifar_resnet.BLOCKS_PER_STAGE:
        return cifar_resnet.cifar_resnet(architecture, num_classes, in_channels)
    if architecture in torchvision_resnet.NAMES:
        return torchvision_resnet.torchvision_resnet(architecture, num_classes, in_channels)
    if architecture == "allcnn":
        return allcnn.allcnn(num_classes, in_channels)
    if ":" in architecture:
        return _from_import_path(architecture, num_classes, in_channels)
    raise InvalidInputError(
        "architecture",
        f'"{architecture}" is unknown.',
        f'Choose one of {", ".join(available())}, or name your own as "package.module:factory".',
    )


def default_split(architecture: str) -> int:
    """Number of blocks in the shallow part that serves well.

    All but the classifier's where that was measured (CIFAR ResNets); else after stage 3 of 4, or two thirds.
    """
    if architecture in cifar_resnet.BLOCKS_PER_STAGE:
        return cifar_resnet.before_the_classifier(architecture)
    if architecture in torchvision_resnet.NAMES:
        return torchvision_resnet.after_stage_three(architecture)
    if architecture == "allcnn":
        return allcnn.AFTER_SECOND_STRIDE
    return max(1, len(create(architecture, MINIMUM_CLASSES)) * 2 // 3)


def _from_import_path(architecture: str, num_classes: int, in_channels: int) -> Network:
    module_name, _, factory_name = architecture.partition(":")
    try:
        factory = getattr(import_module(module_name), factory_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidInputError(
            "architecture",
            f'"{architecture}" cannot be imported ({error}).',
            'Install the package where the service runs and name it as "package.module:factory".',
        ) from error
    built = factory(num_classes=num_classes, in_channels=in_channels)
    if isinstance(built, Network):
        net = built
    elif isinstance(built, nn.Sequential) and len(built) > 1:
        names = [name for name, _ in built.named_children()]
        net = Network(list(built), names)
    else:
        raise InvalidInputError(
            "architecture",
            f"{factory_name} returned {type(built).__name__}, not a list of blocks.",
            "Return an nn.Sequential of at least two blocks.",
        )
    if classifier(net).out_features != num_classes:
        raise InvalidInputError(
            "architecture",
            f"its last nn.Linear has {classifier(net).out_features} outputs for {num_classes} classes.",
            "Let the factory's num_classes decide the last layer's outputs.",
        )
    return net
