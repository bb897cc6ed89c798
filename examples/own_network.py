"""An architecture of one's own: a factory that returns an ordered list of blocks, the last one with the classifier.

It must be importable where the service runs, and the operator must allow it:

    LIRF_EXTRA_ARCHITECTURES='["examples.own_network:small_net"]' lirf up

A model then names "examples.own_network:small_net" as its architecture, and may be divided after any block but the
last. Parameter names in its weights are those of the blocks below: ``stem.0.weight``, ``head.2.bias``.
"""

from collections import OrderedDict

from torch import nn


def small_net(num_classes: int, in_channels: int) -> nn.Sequential:
    """Three blocks and a head, for images of any size from 8×8."""
    return nn.Sequential(
        OrderedDict(
            stem=_block(in_channels, 32, stride=1),
            middle=_block(32, 64, stride=2),
            late=_block(64, 64, stride=2),
            head=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, num_classes)),
        )
    )


def _block(in_width: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_width, width, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
    )
