"""The network of dense poses in crops: MoveNet's body, residual convolutions at 1/8, and charts at 1/4.

The outputs are those of Güler et al., "DensePose", CVPR 2018. Crops of people in place of regions of an image's
maps are as in top-down estimation of keypoints, which the body has learned already.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.backbones.movenet import MERGED_CHANNELS, MoveNetBody
from models.backbones.units import make_unit
from models.densepose.crops.variants import NETWORKS, DenseCropConfig
from models.densepose.parts import NUM_CHARTS, NUM_MASKS

STRIDE = 4
"""Pixels of a crop per cell of the outputs."""
OUTPUT_CHANNELS = {
    "coarse": NUM_MASKS + 1,
    "fine": NUM_CHARTS + 1,
    "u": NUM_CHARTS + 1,
    "v": NUM_CHARTS + 1,
}
"""The outputs and their numbers of channels; each has one for the background first."""

_HEAD_STD = 0.001
_MIDDLE = 0.5


class DenseCropNetwork(MoveNetBody):
    """Charts and coordinates of one person in each crop.

    Args:
        config: The variant.
    """

    def __init__(self, config: DenseCropConfig) -> None:
        super().__init__(config.body, config.body.num_keypoints)
        self.dense = DenseCropHead(
            config, fine_channels=self.feature_channels, mid_channels=self.backbone.lateral_channels[1]
        )

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        """Compute the outputs.

        Args:
            crops: (B, 3, H, W) RGB, normalised by `normalize_images`; H and W are multiples of 32.

        Returns:
            `coarse` (B, 15, H / 4, W / 4) and `fine` (B, 25, H / 4, W / 4), logits; `u` and `v`, (B, 25, H / 4,
            W / 4), a map for each chart.

        Raises:
            ValueError: H or W is not a multiple of 32.
        """
        *laterals, last = self.compute_backbone(crops)
        fine, middle, _ = self.pyramid.merge(*laterals, last)
        features = torch.cat([fine, *self.describe(fine)], dim=1)
        outputs = self.dense(features, torch.cat([laterals[1], middle], dim=1))
        return dict(zip(OUTPUT_CHANNELS, outputs.split(list(OUTPUT_CHANNELS.values()), dim=1), strict=True))


class DenseCropHead(nn.Module):
    """From features at 1/4 and at 1/8 to the outputs, at 1/4.

    Args:
        config: The variant.
        fine_channels: Channels of MoveNet's features at 1/4, without the pyramid's map itself.
        mid_channels: Channels of the backbone's map at 1/8.
    """

    def __init__(self, config: DenseCropConfig, fine_channels: int, mid_channels: int) -> None:
        super().__init__()
        width, fine_width = config.width, config.fine_width
        fine, middle, _ = MERGED_CHANNELS
        fine_channels += fine
        self.down = make_unit(fine_channels, fine_width, stride=2)
        self.join = make_unit(fine_width + mid_channels + middle, width, kernel=1)
        self.blocks = nn.ModuleList(make_unit(width, width) for _ in range(config.depth))
        self.up = nn.Sequential(
            nn.ConvTranspose2d(width, fine_width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(fine_width),
            nn.ReLU(inplace=True),
        )
        self.skip = nn.Conv2d(fine_channels, fine_width, 1)
        self.last = make_unit(fine_width, fine_width)
        self.out = nn.Conv2d(fine_width, sum(OUTPUT_CHANNELS.values()), 1)
        nn.init.normal_(self.out.weight, std=_HEAD_STD)
        assert self.out.bias is not None
        num_logits = OUTPUT_CHANNELS["coarse"] + OUTPUT_CHANNELS["fine"]
        with torch.no_grad():
            self.out.bias[:num_logits] = 0.0
            self.out.bias[num_logits:] = _MIDDLE

    def forward(self, fine: Tensor, middle: Tensor) -> Tensor:
        """Map (B, C, h, w) and (B, c, h / 2, w / 2) to (B, 90, h, w)."""
        x = self.join(torch.cat([self.down(fine), middle], dim=1))
        for block in self.blocks:
            x = x + block(x)
        outputs: Tensor = self.out(self.last(self.up(x) + self.skip(fine)))
        return outputs


def make_dense_crop_network(name: str) -> DenseCropNetwork:
    """Make a network of `NETWORKS` with random weights."""
    return DenseCropNetwork(NETWORKS[name])
