"""Search of a person's keypoints without a peak, by heatmap and tags.

Source: the step `refine` of HigherHRNet's public code, which visits every cell for every keypoint of every
person; here most cells are skipped, with the same result.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.swahr.peaks import FloatArray, IntArray

# Cells above the first height are searched first, then those above the next, then all.
_HEIGHTS = (0.05, 0.01)
# A little more than 0.5, the largest distance that is rounded to 0.
_NEAR = 0.5001


def find_missing(
    heatmaps: FloatArray, tags: Sequence[FloatArray], means: FloatArray, is_missing: np.ndarray
) -> tuple[IntArray, IntArray, IntArray]:
    """Find the best cell for each missing keypoint: the maximum of `height - round(|tag - mean tag|)`.

    Args:
        heatmaps: (K, H, W).
        tags: T maps, (K, H, W) each.
        means: (N, T), the people's mean tags.
        is_missing: (N, K) bool.

    Returns:
        People, keypoints and cells (row * W + column), all (M,), of the missing keypoints; the first cell if
        several are best.
    """
    persons, keypoints, cells = [], [], []
    for keypoint in np.flatnonzero(is_missing.any(axis=0)):
        rows = np.flatnonzero(is_missing[:, keypoint])
        channels = [channel[keypoint].ravel() for channel in tags]
        cells.append(_find_cells(heatmaps[keypoint].ravel(), channels, means[rows]))
        persons.append(rows)
        keypoints.append(np.full(len(rows), keypoint))
    if not cells:
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, nothing
    return np.concatenate(persons), np.concatenate(keypoints), np.concatenate(cells)


def _find_cells(heights: FloatArray, channels: list[FloatArray], means: FloatArray) -> IntArray:
    """Find the best cell (M,) for each of M people in one keypoint's map."""
    best = np.full(len(means), -1, np.int64)
    values = np.full(len(means), -np.inf, np.float32)
    open_rows = np.arange(len(means))
    high = np.flatnonzero(heights > min(_HEIGHTS))
    for height in _HEIGHTS:
        among = high[heights[high] > height]
        if not len(among):
            continue
        table = _rate(heights, channels, among, means[open_rows])
        chosen = table.argmax(axis=1)
        best[open_rows], values[open_rows] = among[chosen], table[np.arange(len(chosen)), chosen]
        # The value of a skipped cell is at most its height.
        open_rows = open_rows[values[open_rows] <= height]
        if not len(open_rows):
            return best
    top = heights.max()
    for row in open_rows:
        mean = means[row : row + 1]
        # Only tags with at most this distance in the first channel can be rounded to 0 in all.
        near = np.flatnonzero(np.abs(channels[0] - mean[0, 0]) <= _NEAR)
        near = near[heights[near] >= values[row]]
        ratings = _rate(heights, channels, near, mean)[0]
        # If the distance is rounded to 1 or more, the value is at most that of the highest cell minus 1.
        if len(near) and ratings.max() > top - 1:
            best[row] = near[ratings.argmax()]
        else:
            best[row] = _rate(heights, channels, slice(None), mean)[0].argmax()
    return best


def _rate(
    heights: FloatArray, channels: list[FloatArray], among: IntArray | slice, means: FloatArray
) -> FloatArray:
    """Compute `height - round(distance)` for each mean and each cell, (M, C), in place."""
    ratings: FloatArray | None = None
    for i, channel in enumerate(channels):
        squares = channel[among][None] - means[:, i : i + 1]
        squares *= squares
        if ratings is None:
            ratings = squares
        else:
            ratings += squares
    assert ratings is not None
    np.sqrt(ratings, out=ratings)
    np.rint(ratings, out=ratings)
    return np.subtract(heights[among], ratings, out=ratings)
