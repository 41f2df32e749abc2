"""Dense poses: from the outputs of the network to chart, u and v of every pixel of a box, and back.

A dense pose is (3, h, w) over the whole pixels of a box (`models.densepose.pixel_box`): the chart 1..24, or 0
for the background, u and v.

Source: Güler et al., "DensePose", CVPR 2018; detectron2's project of that name, whose order of steps this is:
first the maps are resized, then the parts are chosen.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from models.densepose.parts import CHART_TO_MASK, NUM_CHARTS, NUM_MASKS
from models.densepose.pixel_box import PixelBox

_LARGEST_BYTE = 255.0


def decode_dense_pose(outputs: Mapping[str, Tensor], region: PixelBox) -> tuple[Tensor, Tensor]:
    """Decode the outputs for one person over the pixels of their box.

    Args:
        outputs: `coarse` (15 or 2, Z, Z), `fine` (25, Z, Z), `u` and `v` (25, Z, Z) of `ChartPredictor`.
        region: The pixels.

    Returns:
        The charts (h, w), int64, 0 for the background; u and v (2, h, w), not limited, 0 on the background.
    """
    coarse, fine = (_resize(outputs[name], region) for name in ("coarse", "fine"))
    charts = fine.argmax(0) * (coarse.argmax(0) > 0)
    coordinates = fine.new_zeros(2, region.h, region.w)
    found = torch.bincount(charts.flatten(), minlength=NUM_CHARTS + 1)[1:].nonzero()[:, 0] + 1
    if len(found) == 0:
        return charts, coordinates
    # Of the 24 charts only those that are there are resized.
    row = torch.zeros(NUM_CHARTS + 1, dtype=torch.int64, device=charts.device)
    row[found] = torch.arange(len(found), device=charts.device)
    for i, name in enumerate(("u", "v")):
        maps = _resize(outputs[name][found], region)
        coordinates[i] = torch.where(charts > 0, maps.gather(0, row[charts][None])[0], 0)
    return charts, coordinates


def to_bytes(charts: Tensor, coordinates: Tensor) -> Tensor:
    """Encode a dense pose in bytes: (3, h, w) uint8 of chart, 255 u and 255 v, truncated.

    Args:
        charts: (h, w).
        coordinates: (2, h, w), u and v; limited to 0..1 here.
    """
    scaled = (coordinates * _LARGEST_BYTE).clamp(0, _LARGEST_BYTE)
    return torch.cat([charts[None].to(torch.uint8), scaled.to(torch.uint8)])


def encode_dense_pose(charts: Tensor, coordinates: Tensor, side: int, num_coarse: int) -> dict[str, Tensor]:
    """Make outputs that decode to a dense pose; the inverse of `decode_dense_pose` up to the resolution.

    Args:
        charts: (h, w) int64.
        coordinates: (2, h, w), u and v.
        side: Z of the outputs.
        num_coarse: 15, or 2 for person and background.

    Returns:
        `coarse`, `fine`, `u` and `v` of one person, as `decode_dense_pose` takes them; logits are 0 and 10.
    """
    rows = _find_nearest(charts.shape[0], side, charts.device)
    columns = _find_nearest(charts.shape[1], side, charts.device)
    cells = charts[rows][:, columns]
    masks = torch.tensor(CHART_TO_MASK, device=charts.device)[cells]
    coarse = masks if num_coarse == NUM_MASKS + 1 else masks.clamp(max=1)
    outputs = {"coarse": _to_logits(coarse, num_coarse), "fine": _to_logits(cells, NUM_CHARTS + 1)}
    for name, values in zip(("u", "v"), coordinates, strict=True):
        outputs[name] = values[rows][:, columns].expand(NUM_CHARTS + 1, side, side)
    return outputs


def _resize(maps: Tensor, region: PixelBox) -> Tensor:
    return functional.interpolate(
        maps[None].float(), (region.h, region.w), mode="bilinear", align_corners=False
    )[0]


def _find_nearest(size: int, side: int, device: torch.device) -> Tensor:
    """The pixel at the middle of each of `side` cells of `size` pixels."""
    return ((torch.arange(side, device=device) + 0.5) * size / side).long().clamp(max=size - 1)


def _to_logits(labels: Tensor, number: int) -> Tensor:
    return functional.one_hot(labels, number).movedim(-1, 0) * 10.0
