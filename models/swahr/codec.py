"""Heatmaps and masks from people's keypoints, and people from heatmaps and tags.

Coordinates
    Keypoints to encode are in pixels of the network's input; cell c of a map of stride s holds those from
    c * s up to (c + 1) * s. Decoded ones are in cells of the map they were found in, from the corner of its
    first cell, so that the middle of a cell is its number and a half: times the stride, these are input pixels
    again. `models.swahr.images` maps them to the image.

Error of decode(encode(x))
    At most 0.75 cells along each axis, for keypoints on the map whose Gaussian no other covers: targets are
    centred on whole cells, so that only the cell comes back, moved a quarter of a cell left or right, up or
    down.

Source: Luo et al., CVPR 2021, section 3.1 and Table 4 (SHR); Cheng et al., CVPR 2020, sections 3.3 and 3.4,
with the constants of HigherHRNet's public code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.swahr.grouping import group_peaks
from models.swahr.missing import find_missing
from models.swahr.peaks import FloatArray, IntArray, Peaks, find_peaks, refine_by_quarter

SIGMA_CELLS = 2.0
"""Standard deviation of the targets' Gaussians, at every resolution."""

SHR_BASE_WIDTH_PX = 256.0
"""The box width that has this sigma in scaled heatmap regression, W_base of section 4.2."""


@dataclass(frozen=True)
class DecodeConfig:
    """How maps become people. The defaults are those of the public code's tests.

    Attributes:
        min_score: Peaks must be higher; 0.12 in SWAHR's recipe for COCO with W32.
        max_people: Peaks for each keypoint, and people that grow.
        max_tag_distance: Of a peak to its person.
        window_cells: A peak is the highest in a square of so many cells.
        fills_missing: Whether keypoints without a peak are looked for by their tags.
    """

    min_score: float = 0.1
    max_people: int = 30
    max_tag_distance: float = 1.0
    window_cells: int = 5
    fills_missing: bool = True

    def __post_init__(self) -> None:
        if self.min_score < 0:
            raise ValueError(f"min_score: expected a number from 0, got {self.min_score}")
        if self.window_cells < 1 or self.window_cells % 2 == 0:
            raise ValueError(f"window_cells: expected an odd number, got {self.window_cells}")


@dataclass(frozen=True, eq=False)
class DecodedPeople:
    """N people of one image.

    Attributes:
        keypoints_xy: (N, K, 2) in cells; 0 where the score is.
        keypoint_scores: (N, K); 0 where the keypoint was not found.
        scores: (N,): the mean over K of the peaks' scores, before missing keypoints are filled in.
    """

    keypoints_xy: FloatArray
    keypoint_scores: FloatArray
    scores: FloatArray


def encode_cells(
    keypoints_xy: Tensor, is_known: Tensor, map_wh: tuple[int, int], stride: int
) -> tuple[Tensor, Tensor]:
    """Find the cells of keypoints, as the losses of tags take them.

    Args:
        keypoints_xy: (..., 2) float, input pixels; anything where not known.
        is_known: (...) bool.
        map_wh: Width and height of the map in cells.
        stride: Input pixels per cell.

    Returns:
        Cells (..., 2) int64, and whether they are known and on the map (...); cell 0 where not.
    """
    cells = keypoints_xy.where(is_known[..., None], keypoints_xy.new_tensor(-1.0)) / stride
    # Towards 0, as in the public code: what is less than a cell left of the map or above it lies on it.
    limit = cells.new_tensor(map_wh)
    is_visible = is_known & ((cells > -1) & (cells < limit)).all(dim=-1)
    return (cells.where(is_visible[..., None], cells.new_tensor(0.0))).trunc().long(), is_visible


def encode_heatmaps(
    keypoints_xy: Tensor,
    is_known: Tensor,
    map_wh: tuple[int, int],
    stride: int,
    sigmas_cells: Tensor | None = None,
) -> Tensor:
    """Draw a Gaussian about the cell of each keypoint, the greater value where people overlap (Eq. 1 and 2).

    Windows reach one cell farther than 3 sigma, as in the public code. With a sigma that is no whole number it
    shifts Gaussians by up to half a cell; here they stay on their cells.

    Args:
        keypoints_xy: (B, M, K, 2) float, input pixels; anything where not known.
        is_known: (B, M, K) bool.
        map_wh: Width and height of the map in cells.
        stride: Input pixels per cell.
        sigmas_cells: (B, M), for each person; by default `SIGMA_CELLS`.

    Returns:
        (B, K, H, W) float32, on the keypoints' device.
    """
    B, _, K, _ = keypoints_xy.shape
    W, H = map_wh
    cells, is_visible = encode_cells(keypoints_xy, is_known, map_wh, stride)
    batch, person, keypoint = is_visible.nonzero().unbind(1)
    centres = cells[batch, person, keypoint]
    sigmas = centres.new_full((len(centres),), SIGMA_CELLS, dtype=torch.float32)
    if sigmas_cells is not None:
        sigmas = sigmas_cells.to(sigmas)[batch, person]
    radius = int(3 * sigmas.max()) + 1 if len(sigmas) else 0
    offsets = torch.arange(-radius, radius + 1, device=cells.device)
    heights = torch.exp(-(offsets**2) / (2 * sigmas[:, None] ** 2)) * (offsets <= 3 * sigmas[:, None] + 1)
    heights = heights * (-offsets <= 3 * sigmas[:, None] + 1)
    x, y = centres[:, :1] + offsets, centres[:, 1:] + offsets
    columns, rows = heights * ((x >= 0) & (x < W)), heights * ((y >= 0) & (y < H))
    flat = (y.clamp(0, H - 1) * W)[:, :, None] + x.clamp(0, W - 1)[:, None]
    flat += ((batch * K + keypoint) * (H * W))[:, None, None]
    heatmaps = torch.zeros(B * K * H * W, device=cells.device)
    drawn = rows[:, :, None] * columns[:, None]
    return heatmaps.scatter_reduce_(0, flat.flatten(), drawn.flatten(), "amax").view(B, K, H, W)


def compute_box_sigmas(box_widths_px: Tensor) -> Tensor:
    """Compute the sigmas of scaled heatmap regression from box widths (section 4.2, "Naive baseline").

    Differs from HigherHRNet's public code, which has the option too, in taking the width, as the paper has it,
    not the longer side; and it is the width in the network's input, where the heatmaps are.

    Args:
        box_widths_px: (B, M), input pixels.

    Returns:
        (B, M) in cells; at least half a cell, so that no Gaussian vanishes.
    """
    return (box_widths_px.float() / SHR_BASE_WIDTH_PX * SIGMA_CELLS).clamp(min=0.5)


def encode_keypoint_masks(
    masks: Tensor, heatmaps: Tensor, boxes_xyxy: Tensor, is_unknown: Tensor, matrices: Tensor, stride: int
) -> Tensor:
    """Leave out, for each keypoint, the boxes of people of whom it is unknown, where no known one is drawn.

    Args:
        masks: (B, H, W), 1 where the image counts for all keypoints.
        heatmaps: (B, K, H, W), the targets.
        boxes_xyxy: (B, M, 4), pixels of the image; empty for padding.
        is_unknown: (B, M, K) bool.
        matrices: (B, M, 2, 3), from input to each one's image.
        stride: Input pixels per cell.

    Returns:
        (B, K, H, W) float32, 0 or 1.
    """
    H, W = heatmaps.shape[2:]
    middles = (torch.arange(max(H, W), device=masks.device) + 0.5) * stride
    y, x = torch.meshgrid(middles[:H], middles[:W], indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)]).flatten(1)
    has_unknown = is_unknown.any(dim=2) & (boxes_xyxy[..., 2:] > boxes_xyxy[..., :2]).all(dim=2)
    counts = heatmaps > 0
    for i, rows in enumerate(has_unknown):
        image_x, image_y = (matrices[i, rows].float() @ points).unbind(dim=1)
        left, top, right, bottom = boxes_xyxy[i, rows].T[:, :, None]
        is_inside = (image_x >= left) & (image_x < right) & (image_y >= top) & (image_y < bottom)
        covered = is_unknown[i, rows].float().T @ is_inside.float()
        counts[i] |= (covered == 0).view_as(counts[i])
    return counts * masks[:, None]


def decode_people(
    heatmaps: Tensor,
    tags: Sequence[Tensor],
    keypoint_order: tuple[int, ...],
    config: DecodeConfig | None = None,
) -> list[DecodedPeople]:
    """Find the people of a batch of images.

    The result is that of HigherHRNet's public code on the same maps, but for what `models.swahr.grouping` says.

    Args:
        heatmaps: (B, K, H, W), any floating-point type, on any device.
        tags: T maps of the same shape: those of the image, and of its mirror image turned back.
        keypoint_order: All K keypoints, in the order in which people grow.
        config: How.

    Returns:
        The people of each image, B.

    Raises:
        ValueError: Shapes or the order do not fit.
    """
    if sorted(keypoint_order) != list(range(heatmaps.shape[1])):
        raise ValueError(f"keypoint_order: expected each of 0 to {heatmaps.shape[1] - 1} once")
    if not tags or any(channel.shape != heatmaps.shape for channel in tags):
        shapes = [tuple(channel.shape) for channel in tags]
        raise ValueError(f"tags: expected one or more maps of {tuple(heatmaps.shape)}, got {shapes}")
    arrays = [maps.detach().float().cpu().numpy() for maps in (heatmaps, *tags)]
    config = config or DecodeConfig()
    return [
        _decode_image(arrays[0][i], [channel[i] for channel in arrays[1:]], keypoint_order, config)
        for i in range(len(heatmaps))
    ]


def _decode_image(
    heatmaps: FloatArray, tags: list[FloatArray], keypoint_order: tuple[int, ...], config: DecodeConfig
) -> DecodedPeople:
    peaks = find_peaks(
        heatmaps,
        tags,
        min_score=config.min_score,
        max_peaks=config.max_people,
        window_cells=config.window_cells,
    )
    members = group_peaks(
        peaks, keypoint_order, max_people=config.max_people, max_tag_distance=config.max_tag_distance
    )
    is_found = members >= 0
    N, K = members.shape
    points, scores = np.zeros((N, K, 2), np.float32), np.zeros((N, K), np.float32)
    points[is_found], scores[is_found] = peaks.points_xy[members[is_found]], peaks.scores[members[is_found]]
    people_scores = scores.mean(axis=1)
    if config.fills_missing:
        _fill_missing(points, scores, _average_tags(peaks, members), heatmaps, tags)
    return DecodedPeople(points, scores, people_scores)


def _average_tags(peaks: Peaks, members: IntArray) -> FloatArray:
    """The mean tags (N, T) of people's keypoints."""
    means = [peaks.tags[row[row >= 0]].mean(axis=0) for row in members]
    return np.array(means, np.float32).reshape(len(members), peaks.tags.shape[1])


def _fill_missing(
    points: FloatArray, scores: FloatArray, means: FloatArray, heatmaps: FloatArray, tags: list[FloatArray]
) -> None:
    """Put in keypoints without a peak, where the heatmap is above 0 at all."""
    persons, keypoints, cells = find_missing(heatmaps, tags, means, scores == 0)
    y, x = np.divmod(cells, heatmaps.shape[2])
    heights = heatmaps[keypoints, y, x]
    is_there = heights > 0
    persons, keypoints, x, y = persons[is_there], keypoints[is_there], x[is_there], y[is_there]
    points[persons, keypoints] = refine_by_quarter(heatmaps, keypoints, x, y)
    scores[persons, keypoints] = heights[is_there]
