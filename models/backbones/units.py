"""Small parts that networks of several families are built of."""

from __future__ import annotations

from torch import nn


def make_unit(in_channels: int, out_channels: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Make a convolution, a batch norm and a ReLU. Stride 1 keeps the size of the map."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
