"""The CIFAR ResNets of He et al. (1512.03385, §4.2) with parameter-free shortcuts (option A).

Names and shortcuts are those of the published checkpoints of akamaster/pytorch_resnet_cifar10.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from app.lirf.networks.network import Network

WIDTHS = (16, 32, 64)
BLOCKS_PER_STAGE = {"resnet20": 3, "resnet32": 5, "resnet44": 7, "resnet56": 9}


class Stem(nn.Module):
    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn1(self.conv1(x)))


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut that halves by skipping pixels and widens by zero channels."""

    def __init__(self, in_width: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_width, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride = stride
        self.extra = width - in_width

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.shortcut(x))

    def shortcut(self, x: Tensor) -> Tensor:
        if self.stride == 1 and self.extra == 0:
            return x
        half = self.extra // 2
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.extra - half))


class Head(nn.Module):
    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(x.mean(dim=(2, 3)))
        return logits


def cifar_resnet(architecture: str, num_classes: int, in_channels: int) -> Network:
    blocks: list[nn.Module] = [Stem(in_channels, WIDTHS[0])]
    prefixes = [""]
    before = WIDTHS[0]
    for stage, width in enumerate(WIDTHS, start=1):
        for index in range(BLOCKS_PER_STAGE[architecture]):
            blocks.append(BasicBlock(before, width, stride=2 if stage > 1 and index == 0 else 1))
            prefixes.append(f"layer{stage}.{index}")
            before = width
    net = Network([*blocks, Head(before, num_classes)], [*prefixes, ""])
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return net


def before_the_classifier(architecture: str) -> int:
    return 1 + len(WIDTHS) * BLOCKS_PER_STAGE[architecture]
