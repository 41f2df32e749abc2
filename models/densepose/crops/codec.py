"""From the outputs for a crop to the dense pose over the pixels of a box, and the places of points in a crop.

The middle of the first cell of the outputs is at `STRIDE` / 2 pixels of the crop in targets and results alike.
Those of the public code of DensePose differ by half a cell.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from models.data.crop import DoubleArray
from models.densepose.crops.network import STRIDE
from models.densepose.pixel_box import PixelBox
from models.densepose.targets import PlacedPoints

_HALF = 0.5


def decode_crop(outputs: Mapping[str, Tensor], matrix: DoubleArray, region: PixelBox) -> tuple[Tensor, Tensor]:
    """Decode the outputs for one crop over the pixels of the person's box.

    Logits are interpolated to the pixels before the parts are chosen, as `models.densepose.codec` does; u and v
    are interpolated in the map of the chosen chart.

    Args:
        outputs: `coarse` (15, H, W), `fine`, `u` and `v` (25, H, W) of `DenseCropNetwork`.
        matrix: (2, 3), the map from the image to the crop, in indices of pixels, without rotation.
        region: The pixels.

    Returns:
        The charts (h, w), int64, 0 for the background; u and v (2, h, w), not limited, 0 on the background.
    """
    rows = _place_pixels(region.y, region.h, matrix[1, 1], matrix[1, 2], outputs["fine"])
    columns = _place_pixels(region.x, region.w, matrix[0, 0], matrix[0, 2], outputs["fine"])
    low_y, high_y, below = _find_neighbours(rows, outputs["fine"].shape[1])
    low_x, high_x, right = _find_neighbours(columns, outputs["fine"].shape[2])
    logits = torch.cat([outputs["coarse"], outputs["fine"]]).float()
    logits = torch.lerp(logits[:, low_y], logits[:, high_y], below[:, None])
    logits = torch.lerp(logits[:, :, low_x], logits[:, :, high_x], right)
    num_coarse = len(outputs["coarse"])
    charts = logits[num_coarse:].argmax(0) * (logits[:num_coarse].argmax(0) > 0)
    maps = torch.stack([outputs["u"], outputs["v"]]).float()
    corners = [[maps[:, charts, y[:, None], x] for x in (low_x, high_x)] for y in (low_y, high_y)]
    top, bottom = (torch.lerp(left, at_right, right.expand_as(left)) for left, at_right in corners)
    coordinates = torch.lerp(top, bottom, below[:, None].expand_as(top))
    return charts, torch.where(charts > 0, coordinates, 0.0)


def place_in_crops(
    points_xy: Tensor, is_given: Tensor, charts: Tensor, coordinates_uv: Tensor, cells_hw: tuple[int, int]
) -> PlacedPoints:
    """Place annotated points on the cells of the outputs of their crops.

    Args:
        points_xy: (N, P, 2), pixels of the crops, continuous.
        is_given: (N, P) bool, which there are.
        charts: (N, P) int64.
        coordinates_uv: (N, P, 2).
        cells_hw: Cells of the outputs.
    """
    rows = torch.arange(len(points_xy), device=points_xy.device)[:, None].expand(is_given.shape)[is_given]
    last = torch.tensor([cells_hw[1] - 1, cells_hw[0] - 1], device=points_xy.device)
    places = torch.minimum((points_xy[is_given] / STRIDE - _HALF).clamp(min=0), last.to(points_xy))
    low = places.floor().long()
    return PlacedPoints(
        rows, charts[is_given], coordinates_uv[is_given], low, torch.minimum(low + 1, last), places - low
    )


def make_label_matrix(matrix: DoubleArray) -> DoubleArray:
    """The map (2, 3) from continuous pixels of the image to indices of the outputs' cells.

    Args:
        matrix: (2, 3), the map from the image to the crop, in indices of pixels.
    """
    to_indices = np.array([[1.0, 0.0, -_HALF], [0.0, 1.0, -_HALF], [0.0, 0.0, 1.0]])
    whole = np.concatenate([matrix, [[0.0, 0.0, 1.0]]])
    to_cells = np.array([[1 / STRIDE, 0.0, 0.0], [0.0, 1 / STRIDE, 0.0], [0.0, 0.0, 1.0]])
    return np.asarray((to_indices @ to_cells @ np.linalg.inv(to_indices) @ whole @ to_indices)[:2])


def _place_pixels(first: int, count: int, scale: float, offset: float, like: Tensor) -> Tensor:
    """Places (count,) of consecutive pixels of the image, in cells."""
    pixels = scale * np.arange(first, first + count, dtype=np.float64) + offset
    return torch.from_numpy((pixels + _HALF) / STRIDE - _HALF).to(like.device, torch.float32)


def _find_neighbours(places: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The cells before and after each place, and the weight of the latter."""
    places = places.clamp(0, count - 1)
    low = places.floor().long()
    return low, (low + 1).clamp(max=count - 1), places - low
