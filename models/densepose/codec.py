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
    charts = _decode_charts(outputs, region)
    is_body = charts > 0
    # All charts are resized at once, also those that are nowhere: with another number of maps, torch rounds
    # otherwise, and bytes would not be those of the public code.
    u, v = (
        torch.where(is_body, _resize(outputs[name], region).gather(0, charts[None])[0], 0)
        for name in ("u", "v")
    )
    return charts, torch.stack([u, v])


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


def _decode_charts(outputs: Mapping[str, Tensor], region: PixelBox) -> Tensor:
    """The charts (h, w), 0 for the background."""
    fine = _resize(outputs["fine"], region).argmax(0)
    return fine * (_resize(outputs["coarse"], region).argmax(0) > 0)


def _resize(maps: Tensor, region: PixelBox) -> Tensor:
    return functional.interpolate(
        maps[None].float(), (region.h, region.w), mode="bilinear", align_corners=False
    )[0]


def _find_nearest(size: int, side: int, device: torch.device) -> Tensor:
    """The pixel at the middle of each of `side` cells of `size` pixels."""
    return ((torch.arange(side, device=device) + 0.5) * size / side).long().clamp(max=size - 1)


def _to_logits(labels: Tensor, number: int) -> Tensor:
    return functional.one_hot(labels, number).movedim(-1, 0) * 10.0
