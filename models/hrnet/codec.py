"""Encoding of keypoints as heatmaps, and decoding.

Coordinates
    Both count from the *centre* of their first pixel or cell: (0, 0) is the centre of the top-left pixel of the
    crop, and its last pixel is (W - 1, H - 1), as in `cv2.warpAffine`. Continuous pixel coordinates, in which
    the centre of the first pixel is (0.5, 0.5), are 0.5 larger.
    Cell c of a heatmap corresponds to input pixel c * stride or, with `udp`, c * (W_input - 1) / (W_heatmap -
    1), which maps the last cell to the last pixel.

Error of decode(encode(x)), in cells along each axis, for keypoints on the heatmap (0 to W - 1)
    `offset`: 0.5. The target's centre is rounded to a cell, also at the borders.
    `dark`: 0.01, but 0.5 in the two cells next to each border, where peaks are not refined.
    `udp`: 0.01, but 0.5 in the cell next to each border.
A keypoint outside is decoded on the border if its Gaussian reaches the heatmap at all; else its weight is 0.

Source: Sun et al., CVPR 2019, sections 3 and 4.1, with the constants of its public code (sigma 2 and 3 where
the paper says 1); `dark`: Zhang et al., "Distribution-Aware Coordinate Representation for Human Pose
Estimation", CVPR 2020; `udp`: Huang et al., "The Devil Is in the Details: Delving into Unbiased Data
Processing for Human Pose Estimation", CVPR 2020, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

_SIGMAS_DRAWN = 3
# With `dark` and `udp`, maps are smoothed this many sigmas about the peak: 11 cells for sigma 2, 17 for sigma
# 3.
_SIGMAS_SMOOTHED = 8 / 3
_SMALLEST_HEAT = 1e-10
_ROWS_A_BLOCK = 8
# Of places in another map, as fractions of its size.
_ROUNDING = 1e-4
# Step of the second differences in cells, by coding.
_REACH = {"dark": 2, "udp": 1}


@dataclass(frozen=True)
class HeatmapCoding:
    """Parameters of the heatmap coding.

    Attributes:
        input_wh: Width and height of the network's input in pixels.
        sigma_cells: Standard deviation of the Gaussians, in cells.
        kind: `offset`, the paper's; `dark`, distribution-aware; `udp`, unbiased.
        stride: Input pixels per cell.
    """

    input_wh: tuple[int, int]
    sigma_cells: float
    kind: Literal["offset", "dark", "udp"] = "offset"
    stride: int = 4

    def __post_init__(self) -> None:
        if self.kind not in ("offset", "dark", "udp"):
            raise ValueError(f"heatmap coding '{self.kind}': known: offset, dark, udp")

    @property
    def heatmap_wh(self) -> tuple[int, int]:
        """Width and height of the heatmaps in cells."""
        return -(-self.input_wh[0] // self.stride), -(-self.input_wh[1] // self.stride)

    @property
    def step_xy_px(self) -> tuple[float, float]:
        """Distance between cells in input pixels, along x and y."""
        if self.kind != "udp":
            return float(self.stride), float(self.stride)
        (W, H), (cells_w, cells_h) = self.input_wh, self.heatmap_wh
        return (W - 1) / (cells_w - 1), (H - 1) / (cells_h - 1)


CODING_256X192 = HeatmapCoding(input_wh=(192, 256), sigma_cells=2.0)
CODING_384X288 = HeatmapCoding(input_wh=(288, 384), sigma_cells=3.0)


def encode_heatmaps(keypoints_xy: Tensor, weights: Tensor, coding: HeatmapCoding) -> tuple[Tensor, Tensor]:
    """Draw a Gaussian with peak 1 for each keypoint.

    Differs from HRNet's public code in rounding down, not towards 0, left of and above the first cell; and in
    giving weight 0 to a keypoint whose Gaussian ends just before the first cell.

    Args:
        keypoints_xy: (N, K, 2) float, input pixels; undefined where the weight is 0.
        weights: (N, K), 0 for keypoints that are not annotated.
        coding: Parameters of the coding.

    Returns:
        Heatmaps (N, K, H, W) float32, all 0 where the weight is 0, and weights (N, K) float32: the given ones,
        or 0 where the keypoint's Gaussian does not reach the heatmap.
    """
    step = _send(coding.step_xy_px, keypoints_xy.device)
    cells_xy = keypoints_xy.float() / step
    rounded_xy = (cells_xy + 0.5).floor()
    drawn = int(_SIGMAS_DRAWN * coding.sigma_cells)
    limit = _send(coding.heatmap_wh, cells_xy.device)
    is_there = ((rounded_xy >= -drawn) & (rounded_xy < limit + drawn)).all(dim=2)
    weights = weights.float() * is_there
    centers_xy = rounded_xy if coding.kind == "offset" else cells_xy
    # Without weight the centre is undefined and may be NaN.
    centers_xy = centers_xy.masked_fill((weights == 0)[..., None], 0.0)
    columns, rows = (
        _draw_axis(centers_xy[..., axis], rounded_xy[..., axis], size, drawn, coding)
        for axis, size in enumerate(coding.heatmap_wh)
    )
    return (rows * (weights != 0)[..., None])[..., :, None] * columns[..., None, :], weights


def _send(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Copy numbers to a device as float32, without blocking the host."""
    return torch.tensor(values, dtype=torch.float32).to(device, non_blocking=True)


def _draw_axis(centers: Tensor, rounded: Tensor, size: int, drawn: int, coding: HeatmapCoding) -> Tensor:
    """Compute one factor of the separable Gaussians, (N, K, size). `offset` cuts them off at 3 sigma."""
    cells = torch.arange(size, device=centers.device, dtype=torch.float32)
    heights = torch.exp(-((cells - centers[..., None]) ** 2) / (2 * coding.sigma_cells**2))
    if coding.kind == "offset":
        heights = heights * ((cells - rounded[..., None]).abs() <= drawn)
    return heights


def decode_heatmaps(heatmaps: Tensor, coding: HeatmapCoding) -> tuple[Tensor, Tensor]:
    """Find each keypoint at the peak of its heatmap, with sub-cell refinement.

    `offset` moves the peak a quarter of a cell towards its higher neighbour along each axis, except within two
    cells of the left and top borders and one of the others, as in HRNet's public code. `dark` and `udp` smooth
    the map by the targets' Gaussian and take one Newton step on its logarithm; they differ from the papers'
    public code in keeping the peak where the logarithm has no maximum, and in a step of at most one cell.

    Args:
        heatmaps: (N, K, H, W), any floating-point type, on any device.
        coding: Parameters of the coding.

    Returns:
        Keypoints (N, K, 2) float32 in input pixels, and their scores (N, K) float32, the heights of the peaks.
        For a heatmap without positive values the keypoint is (0, 0).

    Raises:
        ValueError: The size of the heatmaps differs from that of the coding.
    """
    W, H = coding.heatmap_wh
    if heatmaps.shape[2:] != (H, W):
        found = " x ".join(str(size) for size in reversed(heatmaps.shape[2:]))
        raise ValueError(f"heatmaps of {found} cells, expected {W} x {H} for an input of {coding.input_wh} px")
    heatmaps = heatmaps.float()
    scores, x, y = _find_peaks(heatmaps)
    refine = _refine_by_quarter if coding.kind == "offset" else _refine_by_newton
    cells_xy = torch.stack([x, y], dim=2) + refine(heatmaps, x, y, coding)
    cells_xy = cells_xy * (scores > 0)[..., None]
    return cells_xy * _send(coding.step_xy_px, cells_xy.device), scores


def average_flipped(
    heatmaps: Tensor, flipped: Tensor, flip_index: Sequence[int], coding: HeatmapCoding
) -> Tensor:
    """Average heatmaps with those of the mirrored crops (section 4.1, "Testing").

    After mirroring, keypoints are displaced by 3/4 of a cell, because the stride's remainder is on the other
    side; so the mirrored maps are shifted right by one cell, keeping the first column, as in HRNet's public
    code. With `udp` the first and last cells are on the first and last pixels, and nothing is displaced.

    Args:
        heatmaps: (N, K, H, W).
        flipped: (N, K, H, W), the network's output for the same crops mirrored left to right.
        flip_index: The index of each keypoint's mirror image.
        coding: The coding of the heatmaps.

    Returns:
        (N, K, H, W).
    """
    index = torch.as_tensor(flip_index, device=flipped.device)
    restored = flipped.index_select(1, index).flip(3)
    if coding.kind == "udp":
        return restored.add_(heatmaps).div_(2)
    total = heatmaps.clone()
    total[..., 0] += restored[..., 0]
    total[..., 1:] += restored[..., :-1]
    return total.div_(2)


def average_scales(heatmaps: Tensor, scales: Sequence[float], coding: HeatmapCoding) -> Tensor:
    """Average heatmaps of regions of several sizes about the same centres, where those of scale 1 have cells.

    Source: the six-scale test of Yang et al., "Learning Feature Pyramids for Human Pose Estimation", ICCV 2017,
    which HRNet's results on MPII follow (section 4.2). Differs from its public code, which averages maps in the
    image; a cell that a smaller region does not reach is the average of the others.

    Args:
        heatmaps: (S N, K, H, W): all N of the first scale, then those of the second and so on.
        scales: S factors, size of the region relative to that of scale 1; one of them 1 or more.
        coding: The coding of the heatmaps.

    Returns:
        (N, K, H, W).
    """
    if tuple(scales) == (1.0,):
        return heatmaps
    W, H = coding.heatmap_wh
    found, counts = [], []
    for maps, scale in zip(heatmaps.float().chunk(len(scales)), scales, strict=True):
        columns, rows = (_scale_cells(axis, scale, coding, maps.device) for axis in (0, 1))
        grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=2)[None]
        is_reached = (grid.abs() <= 1 + _ROUNDING).all(dim=3)[:, None]
        found.append(grid_sample(maps, grid.expand(len(maps), H, W, 2), align_corners=True) * is_reached)
        counts.append(is_reached)
    averages: Tensor = torch.stack(found).sum(dim=0) / torch.stack(counts).sum(dim=0)
    return averages


def _scale_cells(axis: int, scale: float, coding: HeatmapCoding, device: torch.device) -> Tensor:
    """Where cells of scale 1 are in the map of another along one axis: its first is at -1, its last at 1."""
    size, step = coding.heatmap_wh[axis], coding.step_xy_px[axis]
    middle_px = (coding.input_wh[axis] - (coding.kind == "udp")) / 2
    cells = torch.arange(size, device=device, dtype=torch.float32)
    away = (cells * step - middle_px) / scale
    return (middle_px + away) / step * 2 / (size - 1) - 1


def _find_peaks(heatmaps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find height, x and y of each heatmap's first highest cell, each (N, K).

    The highest block of rows is found first, then the cell in it: a maximum is ten times as fast without its
    index.
    """
    N, K, H, W = heatmaps.shape
    rows = _ROWS_A_BLOCK if H % _ROWS_A_BLOCK == 0 else H
    blocks = heatmaps.reshape(N, K, H // rows, rows * W)
    scores, block = blocks.amax(dim=3).max(dim=2)
    highest = blocks.gather(2, block[..., None, None].expand(-1, -1, 1, rows * W))[:, :, 0]
    cell = highest.argmax(dim=2) + block * (rows * W)
    return scores, cell % W, cell // W


def _refine_by_quarter(heatmaps: Tensor, x: Tensor, y: Tensor, coding: HeatmapCoding) -> Tensor:
    W, H = coding.heatmap_wh
    is_inside = (x > 1) & (x < W - 1) & (y > 1) & (y < H - 1)
    # For the others any position inside will do.
    at = torch.where(is_inside, y * W + x, W + 1)[..., None]
    around = at + torch.tensor([-1, 1, -W, W], device=at.device)
    left, right, above, below = heatmaps.flatten(2).gather(2, around).unbind(2)
    towards = torch.stack([right - left, below - above], dim=2).sign()
    return 0.25 * towards * is_inside[..., None]


def _refine_by_newton(heatmaps: Tensor, x: Tensor, y: Tensor, coding: HeatmapCoding) -> Tensor:
    """Move peaks to the maximum of a parabola fitted to the log of the smoothed map (Zhang et al.)."""
    W, H = coding.heatmap_wh
    reach = _REACH[coding.kind]
    log = _smooth_around(heatmaps, x, y, coding, reach).clamp(min=_SMALLEST_HEAT).log()
    o = reach
    step_x = (log[..., o, o + 1] - log[..., o, o - 1]) / 2
    step_y = (log[..., o + 1, o] - log[..., o - 1, o]) / 2
    xx = (log[..., o, o + reach] - 2 * log[..., o, o] + log[..., o, o - reach]) / reach**2
    yy = (log[..., o + reach, o] - 2 * log[..., o, o] + log[..., o - reach, o]) / reach**2
    rising = log[..., o + 1, o + 1] + log[..., o - 1, o - 1]
    xy = (rising - log[..., o + 1, o - 1] - log[..., o - 1, o + 1]) / 4
    determinant = xx * yy - xy * xy
    is_maximum = (determinant > 0) & (xx < 0)
    is_inside = (x >= reach) & (x < W - reach) & (y >= reach) & (y < H - reach)
    offsets = torch.stack([xy * step_y - yy * step_x, xy * step_x - xx * step_y], dim=2)
    offsets = offsets / determinant.where(is_maximum, determinant.new_tensor(1.0))[..., None]
    return offsets.clamp(-1, 1) * (is_maximum & is_inside)[..., None]


def _smooth_around(heatmaps: Tensor, x: Tensor, y: Tensor, coding: HeatmapCoding, reach: int) -> Tensor:
    """Smooth the map by the targets' Gaussian about the peak: (N, K, 2 * reach + 1, 2 * reach + 1).

    The papers' code scales the smoothed map back to its original height, which does not change the derivatives
    of the logarithm. It pads the map with zeros, which shifts peaks by up to 1.5 cells at the borders; here the
    Gaussian is truncated there, symmetrically on both sides.
    """
    W, H = coding.heatmap_wh
    radius = int(_SIGMAS_SMOOTHED * coding.sigma_cells)
    offsets = torch.arange(-radius - reach, radius + reach + 1, device=heatmaps.device)
    # Distance from each output to the cells that it sums.
    away = (offsets - torch.arange(-reach, reach + 1, device=heatmaps.device)[:, None]).abs()
    heights = torch.exp(-(away.float() ** 2) / (2 * coding.sigma_cells**2))
    kernels, cells = [], []
    for at, size in ((y, H), (x, W)):
        room = (torch.minimum(at, size - 1 - at) - reach).clamp(0, radius)
        kernels.append(heights * (away <= room[..., None, None]))
        cells.append((at[..., None] + offsets).clamp(0, size - 1))
    flat = (cells[0] * W)[..., :, None] + cells[1][..., None, :]
    patch = heatmaps.flatten(2).gather(2, flat.flatten(2)).reshape(flat.shape)
    smoothed: Tensor = kernels[0] @ patch @ kernels[1].mT
    return smoothed
