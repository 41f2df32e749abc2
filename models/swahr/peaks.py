"""Peaks of heatmaps: candidates of keypoints before grouping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Peaks:
    """P peaks of one image, sorted by keypoint and then by descending height.

    Attributes:
        starts: (K + 1,): the peaks of keypoint k are those from starts[k] up to starts[k + 1].
        points_xy: (P, 2) in cells, from the corner of the first, whose centre is (0.5, 0.5).
        scores: (P,), the heights.
        tags: (P, T).
    """

    starts: IntArray
    points_xy: FloatArray
    scores: FloatArray
    tags: FloatArray


def find_peaks(
    heatmaps: FloatArray,
    tags: Sequence[FloatArray],
    *,
    min_score: float,
    max_peaks: int = 30,
    window_cells: int = 5,
) -> Peaks:
    """Find the highest local maxima of each heatmap.

    A peak is moved a quarter of a cell towards its higher neighbour along each axis, left or up if they are
    equal, as in HigherHRNet's public code. Peaks of equal height are sorted by row, then by column; in that
    code their order is undefined.

    Args:
        heatmaps: (K, H, W).
        tags: T maps, (K, H, W) each.
        min_score: Lower bound of the height of peaks, exclusive.
        max_peaks: Largest number of peaks per keypoint.
        window_cells: A peak is the maximum of a square with this side about it; odd.

    Returns:
        The peaks.
    """
    W = heatmaps.shape[2]
    window = np.ones((window_cells, window_cells), np.uint8)
    starts, cells = [0], []
    for heatmap in heatmaps:
        is_peak = (heatmap == cv2.dilate(heatmap, window)) & (heatmap >= np.float32(min_score))
        found = np.flatnonzero(is_peak)
        heights = heatmap.ravel()[found]
        found = found[np.argsort(-heights, kind="stable")[:max_peaks]]
        # The score is compared exactly here, and above in float32 only.
        found = found[heatmap.ravel()[found].astype(np.float64) > min_score]
        cells.append(found)
        starts.append(starts[-1] + len(found))
    keypoints = np.repeat(np.arange(len(heatmaps)), np.diff(starts))
    y, x = np.divmod(np.concatenate(cells), W)
    return Peaks(
        starts=np.array(starts, np.int64),
        points_xy=refine_by_quarter(heatmaps, keypoints, x, y),
        scores=heatmaps[keypoints, y, x],
        tags=np.stack([channel[keypoints, y, x] for channel in tags], axis=1),
    )


def refine_by_quarter(heatmaps: FloatArray, keypoints: IntArray, x: IntArray, y: IntArray) -> FloatArray:
    """Move the centres of cells a quarter of a cell towards the higher neighbours.

    Args:
        heatmaps: (K, H, W).
        keypoints: (P,), the index of the heatmap.
        x: (P,), the cells' columns.
        y: (P,), their rows.

    Returns:
        (P, 2), cells from the corner of the first.
    """
    H, W = heatmaps.shape[1:]
    left, right = np.maximum(x - 1, 0), np.minimum(x + 1, W - 1)
    above, below = np.maximum(y - 1, 0), np.minimum(y + 1, H - 1)
    is_right = heatmaps[keypoints, y, right] > heatmaps[keypoints, y, left]
    is_below = heatmaps[keypoints, below, x] > heatmaps[keypoints, above, x]
    offsets = np.stack([is_right, is_below], axis=1) * 0.5 + 0.25
    return (np.stack([x, y], axis=1) + offsets).astype(np.float32)
