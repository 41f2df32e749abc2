"""What the dense head learns: annotated points placed on the cells of a region, and masks resampled over it.

Annotations are in the frame of a person's box, as 256 x 256 (`PersonPoints`). Source: Güler et al.,
"DensePose", CVPR 2018; detectron2's project of that name, whose places and roundings these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from models.densepose.annotations import MASK_SIDE


@dataclass(frozen=True)
class PersonPoints:
    """The annotation of one person.

    Attributes:
        points_xy: (P, 2) float, in 0..256 over the person's box.
        charts: (P,) int64, 1..24; 0 is a point on the background.
        coordinates_uv: (P, 2) float, in 0..1.
        mask: (256, 256) uint8, coarse parts 1..14, 0 background; None where nobody painted it.
        has_limbs_alone: Whether only the coarse parts of the points are known, 1..14, in place of their charts.
    """

    points_xy: Tensor
    charts: Tensor
    coordinates_uv: Tensor
    mask: Tensor | None = None
    has_limbs_alone: bool = False


class PlacedPoints(NamedTuple):
    """P annotated points on the cells of N regions, those within their region.

    Attributes:
        rows: (P,) int64, the region of each.
        charts: (P,) int64.
        coordinates_uv: (P, 2) float.
        low_xy: (P, 2) int64, the cell to the left and above.
        high_xy: (P, 2) int64, the cell to the right and below; the same at the border.
        fractions_xy: (P, 2) float, weight of the latter in bilinear interpolation.
    """

    rows: Tensor
    charts: Tensor
    coordinates_uv: Tensor
    low_xy: Tensor
    high_xy: Tensor
    fractions_xy: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def sample(self, maps: Tensor) -> Tensor:
        """Interpolate maps (N, C, Z, Z) of all regions at the points: (P, C)."""
        corners = self._take_corners(maps.permute(0, 2, 3, 1))
        return self._interpolate([corner.transpose(0, 1) for corner in corners]).transpose(0, 1)

    def sample_charts(self, maps: Tensor) -> Tensor:
        """Interpolate the map of each point's own chart in (N, 25, Z, Z): (P,)."""
        by_cell = maps.permute(0, 2, 3, 1)
        return self._interpolate(
            [corner.gather(1, self.charts[:, None])[:, 0] for corner in self._take_corners(by_cell)]
        )

    def _take_corners(self, by_cell: Tensor) -> list[Tensor]:
        x, y = ((self.low_xy[:, i], self.high_xy[:, i]) for i in (0, 1))
        return [by_cell[self.rows, y[i], x[j]] for i in (0, 1) for j in (0, 1)]

    def _interpolate(self, corners: Sequence[Tensor]) -> Tensor:
        right, below = self.fractions_xy.unbind(1)
        top = corners[0] * (1 - right) + corners[1] * right
        bottom = corners[2] * (1 - right) + corners[3] * right
        return top * (1 - below) + bottom * below


def place_points(
    people: Sequence[PersonPoints], boxes_xyxy: Tensor, regions_xyxy: Tensor, side: int
) -> PlacedPoints:
    """Place annotated points on the cells of regions; those outside their region are left out.

    Args:
        people: N annotations, of the person of each region.
        boxes_xyxy: (N, 4), their boxes.
        regions_xyxy: (N, 4).
        side: Z, cells of a region each way.

    Returns:
        The points, in order of the regions. A region spans Z cells from edge to edge, without half a cell.
    """
    device, dtype = regions_xyxy.device, regions_xyxy.dtype
    counts = torch.tensor([len(person.charts) for person in people], dtype=torch.int64, device=device)
    rows = torch.arange(len(people), device=device).repeat_interleave(counts)
    points, coordinates = (
        _join([getattr(person, name) for person in people], 2, regions_xyxy)
        for name in ("points_xy", "coordinates_uv")
    )
    charts = torch.cat([person.charts.to(device) for person in people]) if people else rows
    sizes = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).to(dtype)
    spans = regions_xyxy[:, 2:] - regions_xyxy[:, :2]
    offsets = points * sizes[rows] / MASK_SIDE + boxes_xyxy.to(dtype)[rows, :2] - regions_xyxy[rows, :2]
    is_inside = ((offsets >= 0) & (offsets < spans[rows])).all(1)
    rows, charts, coordinates = rows[is_inside], charts[is_inside], coordinates[is_inside]
    places = offsets[is_inside] * side / spans[rows]
    low = places.floor().long().clamp(0, side - 1)
    high = (low + 1).clamp(max=side - 1)
    fractions = torch.minimum(places, high.to(dtype)) - low
    return PlacedPoints(rows, charts, coordinates, low, high, fractions)


def resample_masks(masks: Tensor, boxes_xyxy: Tensor, regions_xyxy: Tensor, side: int) -> Tensor:
    """Resample masks over boxes to the cells of regions.

    Args:
        masks: (N, 256, 256), coarse parts over the boxes.
        boxes_xyxy: (N, 4).
        regions_xyxy: (N, 4).
        side: Z, cells of a region each way.

    Returns:
        (N, Z, Z) int64, the nearest pixel of the mask; 0 outside of the box.
    """
    corners, sizes = boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    origins, spans = regions_xyxy[:, :2], regions_xyxy[:, 2:] - regions_xyxy[:, :2]
    # From edge to edge of the box, -1 to 1, is from the first pixel's middle to the last one's. The order of
    # the operations is that of the public code: another one rounds to another pixel here and there.
    starts, ends = (2 * (places - corners) / sizes - 1 for places in (origins, origins + spans))
    steps = torch.arange(side, device=masks.device, dtype=regions_xyxy.dtype) / side
    places = steps[None, :, None] * (ends - starts)[:, None] + starts[:, None]
    grid = torch.stack(
        [
            places[:, None, :, 0].expand(-1, side, -1),
            places[:, :, None, 1].expand(-1, -1, side),
        ],
        dim=-1,
    )
    sampled = functional.grid_sample(
        masks[:, None].to(grid.dtype), grid, mode="nearest", padding_mode="zeros", align_corners=True
    )
    return sampled[:, 0].long()


def _join(parts: Sequence[Tensor], width: int, like: Tensor) -> Tensor:
    return torch.cat([part.to(like) for part in parts]) if parts else like.new_zeros(0, width)
