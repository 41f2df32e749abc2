"""Pooling of the regions of boxes from the maps of a pyramid.

Source: He et al., "Mask R-CNN", ICCV 2017 (RoIAlign), through torchvision; detectron2's form
of it, "ROIAlignV2".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag
from torchvision.ops import MultiScaleRoIAlign, roi_align
from torchvision.ops.poolers import LevelMapper

from models.detection.config import TwoStageConfig
from models.detection.proposals import Pyramid


class RegionPool(MultiScaleRoIAlign):  # type: ignore[misc]
    """torchvision's pooling; and detectron2's "ROIAlignV2" from several maps, which torchvision has for one.

    Args:
        names: Of the maps, finest first.
        cells: Regions are pooled to so many cells each way.
        strides: Of the maps, in pixels.
        samples: Each way in a cell; 0 adapts them to the region.
        canonical_px: Side of the regions that are pooled from the map of stride 16.
        is_aligned: Whether a map's values are at the middles of its cells, not at their corners.

    Attributes:
        is_by_sums: Whether regions are computed as weighted sums of cells, on a CPU twice as fast and equal to
            torchvision's up to rounding, where the operator is torchvision's otherwise.
    """

    def __init__(
        self,
        names: list[str],
        cells: int,
        strides: Sequence[int],
        *,
        samples: int,
        canonical_px: int,
        is_aligned: bool,
    ) -> None:
        super().__init__(names, cells, sampling_ratio=samples, canonical_scale=canonical_px)
        # torchvision infers the strides from the first image, which padding can mislead.
        self.scales = [1 / stride for stride in strides]
        levels = [stride.bit_length() - 1 for stride in strides]
        self.map_levels = LevelMapper(levels[0], levels[-1], canonical_px)
        self._is_aligned = is_aligned
        self.is_by_sums = False

    def forward(self, maps: Pyramid, boxes: list[Tensor], sizes_hw: list[tuple[int, int]]) -> Tensor:
        """Pool the regions of all boxes.

        Args:
            maps: By name, (B, C, H / s, W / s).
            boxes: For each image (n, 4) xyxy.
            sizes_hw: Not used; the strides are set.

        Returns:
            (N, C, cells, cells), in the order of the boxes.
        """
        used = [maps[name] for name in self.featmap_names]
        if self.is_by_sums:
            return self._pool_by_sums(used, boxes)
        if not self._is_aligned:
            pooled: Tensor = super().forward(maps, boxes, sizes_hw)
            return pooled
        images = [torch.full((len(own), 1), float(i), device=own.device) for i, own in enumerate(boxes)]
        rows = torch.cat([torch.cat([index.to(own), own], 1) for index, own in zip(images, boxes, strict=True)])
        levels = self.map_levels(boxes)
        pooled = used[0].new_zeros(len(rows), used[0].shape[1], *self.output_size)
        for i, (level, scale) in enumerate(zip(used, self.scales, strict=True)):
            places = torch.where(levels == i)[0]
            regions = roi_align(level, rows[places], self.output_size, scale, self.sampling_ratio, aligned=True)
            # Autocast may choose different types for different levels.
            pooled[places] = regions.to(pooled.dtype)
        return pooled

    def _pool_by_sums(self, maps: list[Tensor], boxes: list[Tensor]) -> Tensor:
        """Pool as weighted sums of the maps' cells: all channels of a cell are next to each other in memory."""
        C = maps[0].shape[1]
        table = torch.empty(sum(values.numel() for values in maps) // C, C)
        start = 0
        for plane in (plane.flatten(1) for values in maps for plane in values):
            # Of two dimensions, which torch transposes several times as fast as more.
            table[start : start + plane.shape[1]] = plane.t()
            start += plane.shape[1]
        sides = torch.tensor([values.shape[2:] for values in maps])
        sizes = torch.tensor([len(values) for values in maps]) * sides.prod(dim=1)
        levels = self.map_levels(boxes).clamp(0, len(maps) - 1)
        height, width = sides[levels].unbind(1)
        image = torch.arange(len(boxes)).repeat_interleave(torch.tensor([len(own) for own in boxes]))
        first = (sizes.cumsum(0) - sizes)[levels] + image * height * width
        corners = torch.cat(boxes).float() * torch.tensor(self.scales)[levels, None]
        columns, across = self._find_cells(corners[:, 0], corners[:, 2], width)
        rows, down = self._find_cells(corners[:, 1], corners[:, 3], height)
        places = (first[:, None, None] + rows * width[:, None, None])[:, :, None, :, None]
        places = places + columns[:, None, :, None, :]
        weights = down[:, :, None, :, None] * across[:, None, :, None, :]
        summed = (2 * self.sampling_ratio) ** 2
        pooled = embedding_bag(
            places.reshape(-1, summed), table, per_sample_weights=weights.reshape(-1, summed), mode="sum"
        )
        side = self.output_size[0]
        return pooled.view(-1, side, side, C).permute(0, 3, 1, 2).to(maps[0].dtype)

    def _find_cells(self, start: Tensor, end: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        """Find which cells of a map's axis each cell of regions is the sum of, and their weights.

        Args:
            start: (N,), in cells of the map.
            end: Likewise.
            size: (N,) int64, number of cells of the axis.

        Returns:
            Each (N, cells, 2 samples).
        """
        cells, samples = self.output_size[0], self.sampling_ratio
        if self._is_aligned:
            start, length = start - 0.5, end - start
        else:
            length = (end - start).clamp(min=1)
        fractions = (torch.arange(cells * samples) + 0.5) / (cells * samples)
        at = start[:, None] + fractions * length[:, None]
        last = (size - 1)[:, None]
        # Samples up to a cell outside have the value at the border, others none.
        is_near = (at >= -1) & (at <= last + 1)
        at = at.clamp(min=0)
        # The index of a box that is no number would be negative.
        lower = torch.minimum(at.long(), last).clamp(min=0)
        upper = torch.minimum(lower + 1, last)
        fraction = torch.where(lower < last, at - lower, 0.0)
        weights = torch.stack([1 - fraction, fraction], 2) * (is_near / samples)[..., None]
        found = torch.stack([lower, upper], 2)
        return found.view(-1, cells, 2 * samples), weights.view(-1, cells, 2 * samples)


def pool_by_sums(network: nn.Module) -> None:
    """Let the pools of a network compute regions as weighted sums; those that adapt their samples do not."""
    for part in network.modules():
        if isinstance(part, RegionPool):
            part.is_by_sums = part.sampling_ratio > 0


def make_pool(config: TwoStageConfig, cells: int, names: Sequence[str] | None = None) -> RegionPool:
    """Make the pooling of regions.

    Args:
        config: The network's configuration.
        cells: Regions are pooled to so many cells each way.
        names: Maps, of the strides of the pyramid's; None for all that regions are pooled from.
    """
    names = list(config.backbone.map_names if names is None else names)
    strides = config.backbone.strides[: len(names)]
    return RegionPool(
        names,
        cells,
        strides,
        samples=config.roi_samples,
        canonical_px=config.roi_canonical_px,
        is_aligned=config.is_roi_aligned,
    )
