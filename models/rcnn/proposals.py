"""Parts of a light region proposal network: its head, and its anchors.

Source: Ren et al., "Faster R-CNN", NeurIPS 2015, through torchvision; Rakhimov et al., "Making DensePose fast
and light", WACV 2021, section 3 (separable convolutions).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.rcnn.precise import PreciseAnchors


class SeparableRPNHead(nn.Module):
    """The head of a region proposal network with one separable convolution, shared by all levels.

    Args:
        channels: Of the pyramid.
        anchors: In each cell.
    """

    def __init__(self, channels: int, anchors: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            nn.Conv2d(channels, channels, 1),
            nn.ReLU(),
        )
        self.cls_logits = nn.Conv2d(channels, anchors, 1)
        self.bbox_pred = nn.Conv2d(channels, anchors * 4, 1)
        for layer in (self.cls_logits, self.bbox_pred):
            nn.init.normal_(layer.weight, std=0.01)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)

    def forward(self, pyramid: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Map each level (B, C, H, W) to objectness (B, A, H, W) and box deltas (B, 4 A, H, W)."""
        hidden = [self.conv(level) for level in pyramid]
        return [self.cls_logits(level) for level in hidden], [self.bbox_pred(level) for level in hidden]


class StridedAnchors(PreciseAnchors):
    """torchvision's anchors at given strides.

    torchvision divides the image's side by the map's, which is wrong where the side is no multiple of the
    stride: 416 px have 7 cells of 64 px.

    Args:
        sizes_px: Of each level.
        ratios: Height by width.
        strides: Of each level, in pixels.
    """

    def __init__(self, sizes_px: Sequence[int], ratios: Sequence[float], strides: Sequence[int]) -> None:
        super().__init__(tuple((size,) for size in sizes_px), (tuple(ratios),) * len(sizes_px))
        self.strides = tuple(strides)

    def grid_anchors(self, grid_sizes: list[list[int]], strides: list[list[Tensor]]) -> list[Tensor]:
        """Lay the anchors out; as torchvision, but for the strides, which are those given at first."""
        device = strides[0][0].device
        fixed = [[torch.tensor(stride, device=device)] * 2 for stride in self.strides]
        anchors: list[Tensor] = super().grid_anchors(grid_sizes, fixed)
        return anchors
