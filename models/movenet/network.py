"""MoveNet's network: MobileNetV2, a feature pyramid and CenterNet heads, at output stride 4.

Source: MoveNet's published graphs (Google, Apache-2.0); CenterNet, Zhou et al., "Objects as Points", 2019.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.backbones.movenet import PYRAMID_CHANNELS, MobileNetV2, MoveNetHead, MoveNetPyramid
from models.backbones.variants import MoveNetConfig

OUTPUT_STRIDE = 4
"""Input pixels per cell of every head."""


class MoveNet(nn.Module):
    """The dense heads of MoveNet for a batch of images.

    Args:
        config: The variant.
    """

    def __init__(self, config: MoveNetConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = MobileNetV2(config.width)
        self.pyramid = MoveNetPyramid(self.backbone.lateral_channels)
        K = config.num_keypoints
        channels = {"center": 1, "kpt_heatmap": K, "kpt_regress": 2 * K, "kpt_offset": 2 * K}
        if config.has_boxes:
            channels |= {"box_scale": 2, "box_offset": 2}
        self.heads = nn.ModuleDict(
            {name: MoveNetHead(PYRAMID_CHANNELS[0], count) for name, count in channels.items()}
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Compute the dense heads.

        Args:
            images: (B, 3, H, W) RGB in 0..255, any dtype; H and W are multiples of 32.

        Returns:
            (B, C, H / 4, W / 4) by name, before any activation, positions in cells with y before x:
            `center` 1, `kpt_heatmap` K, `kpt_regress` 2K, `kpt_offset` 2K; `box_scale` 2, `box_offset` 2.

        Raises:
            ValueError: H or W is not a multiple of 32.
        """
        weight = self.backbone.stem.weight
        # The graph's constant for 2 / 255, in half precision.
        scaled = images.to(weight.dtype) * 0.007843017578125 - 1.0
        features = self.pyramid(*self.backbone(scaled.contiguous(memory_format=torch.channels_last)))
        return {name: head(features) for name, head in self.heads.items()}
