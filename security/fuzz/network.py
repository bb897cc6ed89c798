"""An architecture of the fuzzed service's own, whose weights are a few kilobytes: thousands may be uploaded."""

from torch import nn


def network(num_classes: int, in_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(in_channels, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes)),
    )
