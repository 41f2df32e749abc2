"""What people's clothes look like: histograms of the colours of torso and thighs, and how alike they are."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ImageArray = npt.NDArray[np.uint8]

Corners = tuple[int, int, int, int]
"""Indices of the keypoints at the corners of a part of the body, clockwise."""

PARTS = 2
"""Torso and thighs."""
LIGHTNESS_BINS = 8
CHROMA_BINS = 9
NUM_BINS = LIGHTNESS_BINS + CHROMA_BINS**2
"""Bins of each part."""

_LIGHTNESS_WEIGHT = 0.4
_LARGEST_CHROMA = 48.0
"""Values of a* and b* are clipped here; clothes in videos rarely have more."""
_BITS = 5
"""Colours are looked up with so many bits a channel."""
_GRID_WH = (8, 12)
_INNER_PART = 0.8
"""The samples' extent as a fraction of the part's: its edges show arms and background."""
_LEAST_INSIDE = 0.5
_TORSO_OF_BOX = (0.3, 0.2, 0.7, 0.55)
"""Left, top, right and bottom as fractions of the box of a standing person."""
_SMALLEST_PX = 3.0


def describe_clothes(
    image: ImageArray,
    boxes_xyxy: FloatArray,
    keypoints_xy: FloatArray,
    visible: BoolArray,
    corners: tuple[Corners, Corners] | None,
) -> FloatArray:
    """Describe each person by the colours of their torso and thighs.

    The quadrilaterals between shoulders and hips, and between hips and knees, are sampled at a grid of points,
    the same number for near and far people. Where a corner of the torso is not visible, the part of the box is
    taken in which a standing person has it. Colours are counted in CIELAB, lightness apart from chroma, so that
    a shadow changes only a part; each sample counts in the bins around it.

    Args:
        image: (H, W, 3) uint8 RGB.
        boxes_xyxy: (N, 4), pixels.
        keypoints_xy: (N, K, 2), pixels.
        visible: (N, K).
        corners: Of the torso: left shoulder, right shoulder, right hip, left hip; of the thighs: left hip,
            right hip, right knee, left knee. None where there are no such keypoints.

    Returns:
        (N, `PARTS`, `NUM_BINS`) float32; each part sums to 1, or to 0 where it is unknown: not visible, too
        small, or more of it outside the image than inside.
    """
    N = len(boxes_xyxy)
    if N == 0:
        return np.zeros((0, PARTS, NUM_BINS), np.float32)
    quads = _find_quads(boxes_xyxy, keypoints_xy, visible, corners).reshape(N * PARTS, 4, 2)
    is_known = np.asarray(np.isfinite(quads).all(axis=(1, 2)))
    quads = np.clip(np.where(is_known[:, None, None], quads, 0), -1e6, 1e6)
    extent = (quads.max(axis=1) - quads.min(axis=1)).max(axis=1)
    samples = np.floor(_make_grid() @ quads).astype(np.int64)
    height, width = image.shape[:2]
    is_inside = ((samples >= 0) & (samples < np.array([width, height]))).all(axis=2)
    is_known &= (extent >= _SMALLEST_PX) & (is_inside.mean(axis=1) >= _LEAST_INSIDE)
    x, y = np.moveaxis(np.clip(samples, 0, np.array([width - 1, height - 1])), 2, 0)
    weights = is_inside / np.maximum(is_inside.sum(axis=1, keepdims=True), 1)
    histograms = _count_colors(image[y, x], weights.astype(np.float32))
    return np.where(is_known[:, None], histograms, np.float32(0)).reshape(N, PARTS, NUM_BINS)


def compare_appearance(descriptions: FloatArray, others: FloatArray) -> FloatArray:
    """Compare every person with every other one: the Bhattacharyya coefficient of the histograms.

    Args:
        descriptions: (N, P, D), or sums of several of each person.
        others: (M, P, D), likewise.

    Returns:
        (N, M) float32 in [0, 1], the mean over the parts that are known of both; 1 for equal ones, NaN where
        there is no such part.
    """
    first, second = (_take_roots(each) for each in (descriptions, others))
    similarity = np.einsum("npd,mpd->nm", first, second, optimize=True)
    known = [np.asarray(each.any(axis=2), np.float32) for each in (first, second)]
    counts = known[0] @ known[1].T
    with np.errstate(invalid="ignore"):
        return np.asarray(np.minimum(similarity / np.where(counts > 0, counts, np.nan), 1), np.float32)


def _take_roots(descriptions: FloatArray) -> FloatArray:
    """Square roots of histograms that sum to 1, or to 0 where they are unknown."""
    sums = descriptions.sum(axis=2, keepdims=True)
    return np.asarray(np.sqrt(descriptions / np.where(sums > 0, sums, 1)), np.float32)


def _find_quads(
    boxes_xyxy: FloatArray,
    keypoints_xy: FloatArray,
    visible: BoolArray,
    corners: tuple[Corners, Corners] | None,
) -> FloatArray:
    """Corners of torsos and thighs, (N, `PARTS`, 4, 2); NaN where they are not known."""
    quads = np.full((len(boxes_xyxy), PARTS, 4, 2), np.nan, np.float32)
    left, top, right, bottom = _TORSO_OF_BOX
    fractions = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    quads[:, 0] = boxes_xyxy[:, None, :2] + fractions * (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2])[:, None]
    for part, indices in enumerate(corners or ()):
        rows = visible[:, indices].all(axis=1)
        quads[rows, part] = keypoints_xy[rows][:, indices]
    return quads


@cache
def _make_grid() -> FloatArray:
    """Bilinear weights of a quadrilateral's corners at each sample, (G, 4)."""
    columns, rows = _GRID_WH
    first = (1 - _INNER_PART) / 2
    u = np.tile(np.linspace(first, 1 - first, columns), rows)
    v = np.repeat(np.linspace(first, 1 - first, rows), columns)
    return np.stack([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], axis=1).astype(np.float32)


def _count_colors(colors: ImageArray, weights: FloatArray) -> FloatArray:
    """Histograms of RGB samples (N, G, 3) with weights (N, G), (N, `NUM_BINS`)."""
    N = len(colors)
    bins, amounts = _make_table()
    shifts = np.array([2 * _BITS, _BITS, 0])
    codes = ((colors.astype(np.int64) >> (8 - _BITS)) << shifts).sum(axis=2)
    cells = bins[codes] + (np.arange(N) * NUM_BINS)[:, None, None]
    counts = np.bincount(cells.ravel(), (amounts[codes] * weights[..., None]).ravel(), minlength=N * NUM_BINS)
    return counts.reshape(N, NUM_BINS).astype(np.float32)


@cache
def _make_table() -> tuple[IntArray, FloatArray]:
    """The bins around every colour of `_BITS` bits, and its part in each, both (C, 6)."""
    levels = (np.arange(2**_BITS) * 2 + 1) * 2 ** (7 - _BITS)
    colors = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(1, -1, 3)
    lab = cv2.cvtColor((colors / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    low, fraction = _place(lab[:, 0] / 100, LIGHTNESS_BINS)
    chroma = np.clip(lab[:, 1:] / _LARGEST_CHROMA, -1, 1)
    # Most clothes are nearly grey: bins are narrower there.
    a, b = ((np.sign(chroma) * np.sqrt(np.abs(chroma)) + 1) / 2).T
    (a_low, a_fraction), (b_low, b_fraction) = _place(a, CHROMA_BINS), _place(b, CHROMA_BINS)
    bins = [low + i for i in (0, 1)]
    amounts = [_LIGHTNESS_WEIGHT * np.abs(1 - i - fraction) for i in (0, 1)]
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        bins.append(LIGHTNESS_BINS + (a_low + i) * CHROMA_BINS + b_low + j)
        amounts.append((1 - _LIGHTNESS_WEIGHT) * np.abs(1 - i - a_fraction) * np.abs(1 - j - b_fraction))
    return np.stack(bins, axis=1), np.stack(amounts, axis=1).astype(np.float32)


def _place(values: FloatArray, bins: int) -> tuple[IntArray, FloatArray]:
    """The lower of the two bins around values in [0, 1], and the part of the upper one."""
    places = values * (bins - 1)
    low = np.minimum(places.astype(np.int64), bins - 2)
    return low, np.asarray(places - low, np.float32)
