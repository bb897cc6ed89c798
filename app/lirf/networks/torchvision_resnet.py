"""torchvision's ResNets as lists of blocks, with the ImageNet stem or the 3×3 stem used on 32×32 images."""

from collections import OrderedDict

from torch import nn

from app.lirf.networks.network import Network

BUILDERS = ("resnet18", "resnet34", "resnet50")
CIFAR_STEM = "-cifar"
NAMES = (*BUILDERS, *(f"{name}{CIFAR_STEM}" for name in BUILDERS))


def torchvision_resnet(architecture: str, num_classes: int, in_channels: int) -> Network:
    # torchvision takes a second and 160 MB to import, which a service of other networks need not pay
    from torchvision import models  # noqa: PLC0415

    small = architecture.endswith(CIFAR_STEM)
    source = models.get_model(architecture.removesuffix(CIFAR_STEM), num_classes=num_classes)
    conv1 = source.conv1
    if small or in_channels != conv1.in_channels:
        kernel, stride, padding = (3, 1, 1) if small else (7, 2, 3)
        conv1 = nn.Conv2d(in_channels, conv1.out_channels, kernel, stride, padding, bias=False)
        nn.init.kaiming_normal_(conv1.weight, mode="fan_out", nonlinearity="relu")
    stem = OrderedDict[str, nn.Module](conv1=conv1, bn1=source.bn1, relu=source.relu)
    if not small:
        stem["maxpool"] = source.maxpool
    blocks: list[nn.Module] = [nn.Sequential(stem)]
    prefixes = [""]
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        for index, block in enumerate(source.get_submodule(stage).children()):
            blocks.append(block)
            prefixes.append(f"{stage}.{index}")
    head = OrderedDict[str, nn.Module](avgpool=source.avgpool, flatten=nn.Flatten(), fc=source.fc)
    return Network([*blocks, nn.Sequential(head)], [*prefixes, ""])


def after_stage_three(architecture: str) -> int:
    """The blocks up to and with layer3: layer4 and the classifier stay shared."""
    stages = {"resnet18": 6, "resnet34": 13, "resnet50": 13}
    return 1 + stages[architecture.removesuffix(CIFAR_STEM)]
