"""Encoding of people's keypoints as heatmaps and masks, and decoding of people from heatmaps and tags.

Coordinates
    Keypoints to encode are in pixels of the network's input; cell c of a map of stride s contains those from
    c * s up to (c + 1) * s. Decoded ones are in cells of their map, from the corner of its first cell, so that
    the centre of cell c is c + 0.5: multiplied by the stride, these are input pixels again.
    `models.swahr.images` maps them to the image.

Error of decode(encode(x))
    At most 0.75 cells along each axis, for keypoints on the map whose Gaussian is not covered by another:
    targets are centred on cells, so that only the cell is decoded, shifted by a quarter of a cell along each
    axis.

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
"""The box width to which this sigma belongs in scaled heatmap regression, W_base of section 4.2."""

# Cells of all people's maps that are computed at once: what fits into a CPU's cache, and into a GPU's memory.
_CELLS_AT_ONCE, _CELLS_AT_ONCE_ON_GPU = 1 << 18, 1 << 26
# Multiples of this number of columns are multiplied in the same order, and so with the same rounding.
_CELLS_ALIKE = 64


@dataclass(frozen=True)
class DecodeConfig:
    """Parameters of the decoding. The defaults are those of the public code's tests.

    Attributes:
        min_score: Lower bound of the height of peaks, exclusive; 0.12 in SWAHR's recipe for COCO with W32.
        max_people: Largest number of peaks per keypoint, and of people.
        max_tag_distance: Largest distance between the tags of a peak and of its person.
        window_cells: A peak is the maximum of a square with this side.
        fills_missing: Whether keypoints without a peak are searched by their tags.
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
        scores: (N,): the mean over K of the peaks' scores, before missing keypoints are added.
    """

    keypoints_xy: FloatArray
    keypoint_scores: FloatArray
    scores: FloatArray


def encode_cells(
    keypoints_xy: Tensor, is_known: Tensor, map_wh: tuple[int, int], stride: int
) -> tuple[Tensor, Tensor]:
    """Find the cells of keypoints, for the losses of tags.

    Args:
        keypoints_xy: (..., 2) float, input pixels; undefined where not known.
        is_known: (...) bool.
        map_wh: Width and height of the map in cells.
        stride: Input pixels per cell.

    Returns:
        Cells (..., 2) int64, and whether keypoints are known and on the map (...); cell 0 where not.
    """
    # No tensors are made of numbers here, which would block the host of a GPU.
    cells = torch.where(is_known[..., None], keypoints_xy, -1.0) / stride
    # Rounded towards 0, as in the public code: keypoints up to a cell left of or above the map are on it.
    is_on_map = ((cells > -1).all(dim=-1)) & (cells[..., 0] < map_wh[0]) & (cells[..., 1] < map_wh[1])
    is_visible = is_known & is_on_map
    return torch.where(is_visible[..., None], cells, 0.0).trunc().long(), is_visible


def encode_heatmaps(
    keypoints_xy: Tensor,
    is_known: Tensor,
    map_wh: tuple[int, int],
    stride: int,
    sigmas_cells: Tensor | float = SIGMA_CELLS,
) -> Tensor:
    """Draw a Gaussian about the cell of each keypoint, with the maximum where people overlap (Eq. 1 and 2).

    Windows extend one cell beyond 3 sigma, as in the public code. With a fractional sigma that code shifts
    Gaussians by up to half a cell; here they are centred on their cells.

    Args:
        keypoints_xy: (B, M, K, 2) float, input pixels; undefined where not known.
        is_known: (B, M, K) bool.
        map_wh: Width and height of the map in cells.
        stride: Input pixels per cell.
        sigmas_cells: (B, M), sigma of each person, whose greatest the host waits for; or one of all.

    Returns:
        (B, K, H, W) float32, on the keypoints' device.
    """
    B, _, K, _ = keypoints_xy.shape
    W, H = map_wh
    cells, is_visible = encode_cells(keypoints_xy, is_known, map_wh, stride)
    batch, person, keypoint = select_set(is_visible)
    centres, is_drawn = cells[batch, person, keypoint], is_visible[batch, person, keypoint]
    if isinstance(sigmas_cells, float):
        sigmas, radius = torch.full((1, 1), sigmas_cells, device=cells.device), int(3 * sigmas_cells) + 1
    else:
        sigmas = sigmas_cells.float()[batch, person][:, None]
        radius = int(3 * sigmas.max()) + 1 if len(sigmas) else 0
    offsets = torch.arange(-radius, radius + 1, device=cells.device)
    heights = torch.exp(-(offsets**2) / (2 * sigmas**2)) * (offsets.abs() <= 3 * sigmas + 1)
    x, y = centres[:, :1] + offsets, centres[:, 1:] + offsets
    columns, rows = heights * ((x >= 0) & (x < W)), heights * ((y >= 0) & (y < H) & is_drawn[:, None])
    flat = (y.clamp(0, H - 1) * W)[:, :, None] + x.clamp(0, W - 1)[:, None]
    flat += ((batch * K + keypoint) * (H * W))[:, None, None]
    heatmaps = torch.zeros(B * K * H * W, device=cells.device)
    drawn = rows[:, :, None] * columns[:, None]
    return heatmaps.scatter_reduce_(0, flat.flatten(), drawn.flatten(), "amax").view(B, K, H, W)


def compute_box_sigmas(box_widths_px: Tensor) -> Tensor:
    """Compute the sigmas of scaled heatmap regression from box widths (section 4.2, "Naive baseline").

    Differs from HigherHRNet's public code, which has the option too, in using the width, as in the paper,
    instead of the longer side, and the width in the network's input instead of the image.

    Args:
        box_widths_px: (B, M), input pixels.

    Returns:
        (B, M) in cells; at least half a cell, so that no Gaussian vanishes.
    """
    return (box_widths_px.float() / SHR_BASE_WIDTH_PX * SIGMA_CELLS).clamp(min=0.5)


def encode_keypoint_masks(
    masks: Tensor, heatmaps: Tensor, boxes_xyxy: Tensor, is_unknown: Tensor, matrices: Tensor, stride: int
) -> Tensor:
    """Mask, for each keypoint, the boxes of people whose keypoint is unknown, except around known ones.

    Args:
        masks: (B, H, W), 1 where all keypoints count.
        heatmaps: (B, K, H, W), the targets.
        boxes_xyxy: (B, M, 4), pixels of the image; empty for padding.
        is_unknown: (B, M, K) bool.
        matrices: (B, M, 2, 3), from the input to each person's image.
        stride: Input pixels per cell.

    Returns:
        (B, K, H, W) float32, 0 or 1.
    """
    (B, M, K), (H, W) = is_unknown.shape, heatmaps.shape[2:]
    middles = (torch.arange(max(H, W), device=masks.device) + 0.5) * stride
    y, x = torch.meshgrid(middles[:H], middles[:W], indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)]).flatten(1)
    has_unknown = is_unknown.any(dim=2) & (boxes_xyxy[..., 2:] > boxes_xyxy[..., :2]).all(dim=2)
    batch, person = select_set(has_unknown)
    place, R = person, M
    if len(batch) < B * M:
        # Their places among those of their image, of which there are R at most: the smaller, the faster.
        place = (has_unknown.cumsum(dim=1) - 1)[batch, person]
        R = int(place.max()) + 1 if len(batch) else 0
    unknown = torch.zeros(B, R, K, device=masks.device)
    unknown[batch, place] = is_unknown[batch, person].float()
    to_image, boxes = matrices[batch, person].float(), boxes_xyxy[batch, person].T[:, :, None]
    covered = []
    at_once = _CELLS_AT_ONCE if masks.device.type == "cpu" else _CELLS_AT_ONCE_ON_GPU
    size = max(at_once // max(len(batch), 1) // _CELLS_ALIKE, 1) * _CELLS_ALIKE
    for part in torch.split(points, size, dim=1):
        boxed = torch.zeros(B, R, part.shape[1], device=masks.device)
        boxed[batch, place] = _find_inside(to_image @ part, boxes).float()
        covered.append(unknown.transpose(1, 2) @ boxed)
    is_counted = (torch.cat(covered, dim=2) == 0).view_as(heatmaps)
    return ((heatmaps > 0) | is_counted) * masks[:, None]


def _find_inside(points_xy: Tensor, boxes: Tensor) -> Tensor:
    """Find which of P people's points (P, 2, n) are in their boxes, four (P, 1): (P, n) bool."""
    x, y = points_xy.unbind(dim=1)
    left, top, right, bottom = boxes
    is_inside: Tensor = (x >= left) & (x < right) & (y >= top) & (y < bottom)
    return is_inside


def select_set(mask: Tensor) -> tuple[Tensor, ...]:
    """Find the indices of a mask's set entries on a CPU; elsewhere of all entries.

    The host of a GPU would have to wait for their number. What it computes for the others must not count.

    Args:
        mask: Of any shape.

    Returns:
        One tensor (n,) of indices for each dimension.
    """
    if mask.device.type == "cpu":
        return mask.nonzero(as_tuple=True)
    places = torch.meshgrid(*(torch.arange(n, device=mask.device) for n in mask.shape), indexing="ij")
    return tuple(place.flatten() for place in places)


def decode_people(
    heatmaps: Tensor,
    tags: Sequence[Tensor],
    keypoint_order: tuple[int, ...],
    config: DecodeConfig | None = None,
) -> list[DecodedPeople]:
    """Find the people of a batch of images.

    The result equals that of HigherHRNet's public code on the same maps, except as `models.swahr.grouping`
    says.

    Args:
        heatmaps: (B, K, H, W), any floating-point type, on any device.
        tags: T maps of the same shape: those of the image, and those of the mirrored image, mirrored back.
        keypoint_order: All K keypoints, in the order in which they are assigned.
        config: Parameters of the decoding.

    Returns:
        The people of each image, B.

    Raises:
        ValueError: The shapes or the order are not valid.
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
    """Compute the mean tags (N, T) of people's keypoints."""
    means = [peaks.tags[row[row >= 0]].mean(axis=0) for row in members]
    return np.array(means, np.float32).reshape(len(members), peaks.tags.shape[1])


def _fill_missing(
    points: FloatArray, scores: FloatArray, means: FloatArray, heatmaps: FloatArray, tags: list[FloatArray]
) -> None:
    """Add keypoints without a peak where the heatmap is positive."""
    persons, keypoints, cells = find_missing(heatmaps, tags, means, scores == 0)
    y, x = np.divmod(cells, heatmaps.shape[2])
    heights = heatmaps[keypoints, y, x]
    is_there = heights > 0
    persons, keypoints, x, y = persons[is_there], keypoints[is_there], x[is_there], y[is_there]
    points[persons, keypoints] = refine_by_quarter(heatmaps, keypoints, x, y)
    scores[persons, keypoints] = heights[is_there]
