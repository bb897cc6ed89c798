"""ALL-CNN-C (Springenberg et al., 1412.6806) with BatchNorm after each convolution.

The paper ends with a 1×1 convolution to the classes and a global average; averaging first and applying a
linear layer gives the same logits and keeps one row of weights per class.
"""

from collections import OrderedDict

from torch import nn

from app.lirf.networks.network import Network

# (output channels, kernel, stride, padding) per convolution
LAYERS = (
    (96, 3, 1, 1),
    (96, 3, 1, 1),
    (96, 3, 2, 1),
    (192, 3, 1, 1),
    (192, 3, 1, 1),
    (192, 3, 2, 1),
    (192, 3, 1, 1),
    (192, 1, 1, 0),
)
AFTER_SECOND_STRIDE = 6


def allcnn(num_classes: int, in_channels: int) -> Network:
    blocks: list[nn.Module] = []
    before = in_channels
    for width, kernel, stride, padding in LAYERS:
        conv = nn.Conv2d(before, width, kernel, stride=stride, padding=padding, bias=False)
        nn.init.kaiming_normal_(conv.weight)
        blocks.append(
            nn.Sequential(OrderedDict[str, nn.Module](conv=conv, bn=nn.BatchNorm2d(width), relu=nn.ReLU()))
        )
        before = width
    head = OrderedDict[str, nn.Module](
        avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), linear=nn.Linear(before, num_classes)
    )
    prefixes = [f"conv{index}" for index in range(1, len(LAYERS) + 1)]
    return Network([*blocks, nn.Sequential(head)], [*prefixes, ""])
