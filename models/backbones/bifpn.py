"""BiFPN: a feature pyramid with top-down and bottom-up paths and learnt fusion weights.

Source: Tan et al., "EfficientDet", CVPR 2020, section 3 (paths, fast normalised fusion, separable
convolutions); Rakhimov et al., "Making DensePose fast and light", WACV 2021, section 4.3 (nearest resampling).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812, the name that torch's own documentation uses
from torch import Tensor, nn

from models.backbones.variants import FUSION_EPSILON


def fuse_maps(maps: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Fast normalised fusion (EfficientDet, section 3.3).

    Args:
        maps: Maps of one shape (B, C, H, W).
        weights: (len(maps),), learnt; negative ones count as 0.

    Returns:
        (B, C, H, W): sum_i w_i maps_i / (epsilon + sum_j w_j), w = max(weights, 0), epsilon 1e-4.
    """
    positive = F.relu(weights)
    fractions = positive / (positive.sum() + FUSION_EPSILON)
    total = maps[0] * fractions[0]
    for i in range(1, len(maps)):
        total = total + maps[i] * fractions[i]
    return total


class BiFPN(nn.Module):
    """BiFPN layers on the maps of a backbone, with one additional coarser map.

    Differs from EfficientDet in having one lateral convolution per map, where it has two for the middle ones,
    and ReLU instead of swish, which is slow on CPUs.

    Args:
        in_channels: Channels of the backbone's maps, finest first; each has half the resolution of the
            previous.
        channels: Channels of all the pyramid's maps.
        layers: Number of BiFPN layers.
    """

    def __init__(self, in_channels: Sequence[int], channels: int, layers: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(count, channels, 1, bias=False), nn.BatchNorm2d(channels))
            for count in in_channels
        )
        self.layers = nn.ModuleList(_BiFPNLayer(len(in_channels) + 1, channels) for _ in range(layers))

    def forward(self, maps: OrderedDict[str, Tensor]) -> OrderedDict[str, Tensor]:
        """Compute the pyramid.

        Args:
            maps: The backbone's maps by name, finest first.

        Returns:
            (B, channels, H, W) under the same names, and `pool`, which has half the resolution of the last.
        """
        levels = [lateral(level) for lateral, level in zip(self.laterals, maps.values(), strict=True)]
        levels.append(F.max_pool2d(levels[-1], 1, stride=2))
        for layer in self.layers:
            levels = layer(levels)
        return OrderedDict(zip([*maps, "pool"], levels, strict=True))


class _BiFPNLayer(nn.Module):
    """One BiFPN layer: a top-down and a bottom-up path (EfficientDet, Fig. 2 d).

    Args:
        levels: Number of maps.
        channels: Channels of each map.
    """

    def __init__(self, levels: int, channels: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(_make_separable(channels) for _ in range(levels - 1))
        self.up = nn.ModuleList(_make_separable(channels) for _ in range(levels - 1))
        self.down_weights = nn.ParameterList(nn.Parameter(torch.ones(2)) for _ in range(levels - 1))
        # The coarsest has no top-down map, only its input and the finer map.
        self.up_weights = nn.ParameterList(
            nn.Parameter(torch.ones(3 if i < levels - 2 else 2)) for i in range(levels - 1)
        )

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        """Map the levels (B, C, H, W), finest first, to as many of the same shapes."""
        middle = [inputs[-1]]
        for i in range(len(inputs) - 2, -1, -1):
            finer = _resample(middle[0], inputs[i])
            middle.insert(0, self.down[i](fuse_maps([inputs[i], finer], self.down_weights[i])))
        outputs = [middle[0]]
        for i in range(1, len(inputs)):
            coarser = _resample(outputs[-1], inputs[i])
            sources = [inputs[i], coarser] if i == len(inputs) - 1 else [inputs[i], middle[i], coarser]
            outputs.append(self.up[i - 1](fuse_maps(sources, self.up_weights[i - 1])))
        return outputs


def _resample(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="nearest")


def _make_separable(channels: int) -> nn.Sequential:
    """ReLU, a depthwise 3x3 and a 1x1 convolution with batch norm."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )
