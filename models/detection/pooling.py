"""Pooling of the regions of boxes from the maps of a pyramid.

Source: He et al., "Mask R-CNN", ICCV 2017 (RoIAlign), through torchvision; detectron2's form
of it, "ROIAlignV2".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import MultiScaleRoIAlign, roi_align
from torchvision.ops.poolers import LevelMapper

from models.detection.config import TwoStageConfig
from models.detection.proposals import Pyramid


class AlignedRegions(MultiScaleRoIAlign):  # type: ignore[misc]
    """torchvision's pooling with values at the middles of a map's cells, which it can do for one map alone."""

    def forward(self, maps: Pyramid, boxes: list[Tensor], sizes_hw: list[tuple[int, int]]) -> Tensor:
        """Pool the regions of all boxes.

        Args:
            maps: By name, (B, C, H / s, W / s).
            boxes: For each image (n, 4) xyxy.
            sizes_hw: Not used; the strides are set.

        Returns:
            (N, C, cells, cells), in the order of the boxes.
        """
        images = [torch.full((len(own), 1), float(i), device=own.device) for i, own in enumerate(boxes)]
        rows = torch.cat([torch.cat([index.to(own), own], 1) for index, own in zip(images, boxes, strict=True)])
        levels = self.map_levels(boxes)
        used = [maps[name] for name in self.featmap_names]
        pooled = used[0].new_zeros(len(rows), used[0].shape[1], *self.output_size)
        for i, (level, scale) in enumerate(zip(used, self.scales, strict=True)):
            places = torch.where(levels == i)[0]
            regions = roi_align(level, rows[places], self.output_size, scale, self.sampling_ratio, aligned=True)
            # Autocast may choose different types for different levels.
            pooled[places] = regions.to(pooled.dtype)
        return pooled


def make_pool(config: TwoStageConfig, cells: int, names: Sequence[str] | None = None) -> MultiScaleRoIAlign:
    """Make the pooling of regions.

    Args:
        config: The network's configuration.
        cells: Regions are pooled to so many cells each way.
        names: Maps, of the strides of the pyramid's; None for all that regions are pooled from.
    """
    names = list(config.backbone.map_names if names is None else names)
    strides = config.backbone.strides[: len(names)]
    kind = AlignedRegions if config.is_roi_aligned else MultiScaleRoIAlign
    # Of torchvision's operator, 0 adapts the samples to the region.
    pool = kind(names, cells, sampling_ratio=config.roi_samples, canonical_scale=config.roi_canonical_px)
    # torchvision infers the strides from the first image, which padding can mislead.
    pool.scales = [1 / stride for stride in strides]
    levels = [stride.bit_length() - 1 for stride in strides]
    pool.map_levels = LevelMapper(levels[0], levels[-1], config.roi_canonical_px)
    return pool
