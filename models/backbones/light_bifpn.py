"""The BiFPN of Mobile Parsing R-CNN: one layer on the backbone's four maps.

Differs from EfficientDet's (`models.backbones.bifpn`) in that its coarsest map, the fifth, is picked from the
fourth and takes no part; in learnt strides on the way up; and in the order within a block.

Source: Rakhimov et al., "Making DensePose fast and light", WACV 2021, section 4.3, and its public code.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812, the name that torch's own documentation uses
from torch import Tensor, nn

from models.backbones.bifpn import fuse_maps

_MOMENTUM = 0.03


class LightBiFPN(nn.Module):
    """A feature pyramid with one path down and one up, fused by learnt weights.

    Args:
        in_channels: Channels of the backbone's maps, finest first; each has half the resolution of the
            previous.
        channels: Channels of all the pyramid's maps.
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        steps = len(in_channels) - 1
        self.laterals = nn.ModuleList(nn.Conv2d(count, channels, 1) for count in in_channels)
        self.down = nn.ModuleList(_make_block(channels) for _ in range(steps))
        self.up = nn.ModuleList(_make_block(channels) for _ in range(steps))
        self.strides = nn.ModuleList(_make_block(channels, stride=2) for _ in range(steps))
        self.down_weights = nn.ParameterList(nn.Parameter(torch.ones(2)) for _ in range(steps))
        # The coarsest has no map of the way down, only its input and the finer map.
        self.up_weights = nn.ParameterList(
            nn.Parameter(torch.ones(3 if i < steps - 1 else 2)) for i in range(steps)
        )

    def forward(self, maps: OrderedDict[str, Tensor]) -> OrderedDict[str, Tensor]:
        """Compute the pyramid.

        Args:
            maps: The backbone's maps by name, finest first.

        Returns:
            (B, channels, H, W) under the same names, and `pool`, which has half the resolution of the last.
        """
        inputs = [lateral(level) for lateral, level in zip(self.laterals, maps.values(), strict=True)]
        middle = [inputs[-1]]
        for i in range(len(inputs) - 2, -1, -1):
            coarser = F.interpolate(middle[0], scale_factor=2, mode="nearest")
            middle.insert(0, self.down[i](fuse_maps([inputs[i], coarser], self.down_weights[i])))
        outputs = [middle[0]]
        for i in range(1, len(inputs)):
            finer = self.strides[i - 1](outputs[-1])
            sources = [inputs[i], finer] if i == len(inputs) - 1 else [inputs[i], middle[i], finer]
            outputs.append(self.up[i - 1](fuse_maps(sources, self.up_weights[i - 1])))
        outputs.append(F.max_pool2d(outputs[-1], 1, stride=2))
        return OrderedDict(zip([*maps, "pool"], outputs, strict=True))


def _make_block(channels: int, stride: int = 1) -> nn.Sequential:
    """A depthwise 3x3 and a 1x1 convolution, norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, momentum=_MOMENTUM),
        nn.ReLU(),
    )
