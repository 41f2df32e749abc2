"""The decoder of the improved networks: the levels of a pyramid joined into one map at the finest of them.

Source: Kirillov et al., "Panoptic Feature Pyramid Networks", CVPR 2019, as in detectron2's DensePose.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class PyramidDecoder(nn.Module):
    """Joins the maps of a pyramid: each enlarged step by step to the finest, their sum, a 1x1 convolution.

    Args:
        in_channels: Channels of the maps.
        channels: Channels of the joined map.
        num_levels: Number of maps; each has half the resolution of the one before.
    """

    def __init__(self, in_channels: int, channels: int, num_levels: int = 4) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            _make_level(in_channels, channels, num_doublings=i) for i in range(num_levels)
        )
        self.join = nn.Conv2d(channels, channels, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Join maps (B, C, H / s, W / s), finest first, to (B, channels, H / 4, W / 4)."""
        total: Tensor = sum(level(one) for level, one in zip(self.levels, maps, strict=True))
        joined: Tensor = self.join(total)
        return joined


def _make_level(in_channels: int, channels: int, *, num_doublings: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in range(max(1, num_doublings)):
        layers += [nn.Conv2d(channels if i else in_channels, channels, 3, padding=1), nn.ReLU(inplace=True)]
        if num_doublings:
            layers.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False))
    return nn.Sequential(*layers)
