"""Object keypoint similarity (OKS): how alike two poses are, from 0 to 1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

_FAR = np.float32(1e8)
_FARTHEST_PX = 1e6
SEGMENT_FRACTION = 0.53
"""Area of a person as a fraction of that of the box, the usual stand-in for COCO's segment area."""
_BLOCK_PEOPLE = 8
_BLOCK_NUMBERS = 16_384
_FEW_PAIRS = 0.3
"""Below this fraction of all pairs, picking out the near ones is faster than comparing all."""
_ROUNDING = np.float32(1.001)


def compute_oks(
    keypoints_xy: FloatArray,
    visible: BoolArray,
    others_xy: FloatArray,
    others_visible: BoolArray,
    *,
    areas_px2: FloatArray,
    others_areas_px2: FloatArray,
    sigmas: FloatArray,
    min_oks: float = 0.0,
) -> FloatArray:
    """Compare every pose with every other one.

    OKS = mean over keypoints of exp(-d^2 / (2 s^2 k^2)), k = 2 sigma (COCO, "Keypoint Evaluation" and its
    pycocotools). The mean runs over the keypoints that are visible in both poses; no such keypoint -> 0.

    Differs from COCO: s^2 is the mean of the two poses' areas, as in HRNet's `oks_iou`, because here neither
    is the truth. Differs from HRNet's: its mask `vg > t and vd > t` is no mask of both.

    Args:
        keypoints_xy: (N, K, 2), pixels.
        visible: (N, K); keypoints that are not finite count as not visible.
        others_xy: (M, K, 2), pixels.
        others_visible: (M, K).
        areas_px2: (N,), area of each person, square pixels; see `compute_pose_areas`.
        others_areas_px2: (M,).
        sigmas: (K,), spread of each keypoint relative to the root of the area.
        min_oks: Pairs that are too far apart to be this similar get 0, and are compared no further. In a crowd
            nearly all pairs are.

    Returns:
        (N, M) float32.
    """
    # d / (sqrt(2) k), so that OKS is the mean of exp(-d^2 / area).
    unit = 1 / (np.sqrt(2) * 2 * np.asarray(sigmas, np.float64))
    points, seen = _park_unseen(keypoints_xy, visible, _FAR)
    others, others_seen = _park_unseen(others_xy, others_visible, -_FAR)
    weights, others_weights = seen.astype(np.float32), others_seen.astype(np.float32)
    areas = np.maximum(np.asarray(areas_px2, np.float32), 1)
    others_areas = np.maximum(np.asarray(others_areas_px2, np.float32), 1)
    near = None
    if min_oks > 0:
        # d^2 <= -ln(min_oks) * area / unit^2 for at least one keypoint, and the root of the mean of two areas
        # is at most the sum of their roots divided by the root of 2.
        reach = np.float32(np.sqrt(-np.log(min_oks) / 2) / unit.min(initial=np.inf)) * _ROUNDING
        near = _find_near(
            _find_extents(points, seen, reach * np.sqrt(areas)),
            _find_extents(others, others_seen, reach * np.sqrt(others_areas)),
        )
    points = (points * unit[:, None]).astype(np.float32)
    others = (others * unit[:, None]).astype(np.float32)
    if near is not None:
        i, j = np.nonzero(near)
        if len(i) < _FEW_PAIRS * near.size:
            oks = np.zeros(near.shape, np.float32)
            oks[i, j] = _compare_pairs(
                (points[:, :, i], weights[:, i], areas[i]),
                (others[:, :, j], others_weights[:, j], others_areas[j]),
            )
            return oks
    return _compare_all((points, weights, areas), (others, others_weights, others_areas))


def _compare_all(
    some: tuple[FloatArray, FloatArray, FloatArray], others: tuple[FloatArray, FloatArray, FloatArray]
) -> FloatArray:
    """OKS of every pose with every other one (N, M), from points (2, K, N), weights (K, N) and areas (N,)."""
    (points, weights, areas), (others_points, others_weights, others_areas) = some, others
    oks = np.empty((len(areas), len(others_areas)), np.float32)
    # A few people at a time, so that the buffers stay in a core's cache.
    for start in range(0, len(areas), _BLOCK_PEOPLE):
        rows = slice(start, start + _BLOCK_PEOPLE)
        minus_one_by_area = np.asarray(-2 / (areas[rows, None] + others_areas), np.float32)
        total, common = _sum_similarities(
            points[:, :, rows], weights[:, rows], others_points, others_weights, minus_one_by_area
        )
        np.divide(total, np.maximum(common, 1), out=oks[rows])
    return oks


def _find_near(
    extents: tuple[FloatArray, FloatArray], others_extents: tuple[FloatArray, FloatArray]
) -> BoolArray:
    """Which pairs of extents, left top and right bottom (2, N) and (2, M) each, meet, (N, M)."""
    (low, high), (others_low, others_high) = extents, others_extents
    near: BoolArray = np.ones((low.shape[1], others_low.shape[1]), np.bool_)
    for axis in (0, 1):
        near &= low[axis, :, None] <= others_high[axis]
        near &= others_low[axis] <= high[axis, :, None]
    return near


def _compare_pairs(
    some: tuple[FloatArray, FloatArray, FloatArray], others: tuple[FloatArray, FloatArray, FloatArray]
) -> FloatArray:
    """OKS of P pairs (P,), from the points (2, K, P), weights (K, P) and areas (P,) of both."""
    (points, weights, areas), (others_points, others_weights, others_areas) = some, others
    distances = points - others_points
    distances *= distances
    minus_one_by_area = np.asarray(-2 / (areas + others_areas), np.float32)
    similarities = np.exp(distances.sum(axis=0) * minus_one_by_area)
    common: FloatArray = (weights * others_weights).sum(axis=0)
    return np.asarray(similarities.sum(axis=0) / np.maximum(common, 1), np.float32)


def _sum_similarities(
    points: FloatArray,
    weights: FloatArray,
    others: FloatArray,
    others_weights: FloatArray,
    minus_one_by_area: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """The sum of exp(-d^2 / area) over the keypoints, and the number of those visible in both, (n, M) each.

    Some keypoints at a time, and few people are compared in few calls. The common keypoints are counted here
    too: as a matrix product, BLAS would wake a thread per core for it.
    """
    K = len(weights)
    total, common = np.zeros((2, *minus_one_by_area.shape), np.float32)
    step = min(K, max(1, _BLOCK_NUMBERS // max(1, total.size)))
    dx_buffer, dy_buffer = np.empty((2, step, *total.shape), np.float32)
    for k in range(0, K, step):
        some = slice(k, min(k + step, K))
        dx, dy = dx_buffer[: some.stop - k], dy_buffer[: some.stop - k]
        np.subtract(points[0, some, :, None], others[0, some, None], out=dx)
        np.subtract(points[1, some, :, None], others[1, some, None], out=dy)
        dx *= dx
        dy *= dy
        dx += dy
        dx *= minus_one_by_area
        np.exp(dx, out=dx)
        np.multiply(weights[some, :, None], others_weights[some, None], out=dy)
        for similarity, both in zip(dx, dy, strict=True):
            total += similarity
            common += both
    return total, common


def compute_pose_areas(boxes_xyxy: FloatArray, keypoints_xy: FloatArray, visible: BoolArray) -> FloatArray:
    """Estimate the area that a person covers, the scale of OKS.

    0.53 of the box, the usual stand-in for COCO's segment area. The box is the larger one of the given one
    and the one around the visible keypoints: so a person half hidden keeps their scale while the detector's
    box does, and poses saved without boxes have one too.

    Args:
        boxes_xyxy: (N, 4), pixels.
        keypoints_xy: (N, K, 2), pixels.
        visible: (N, K).

    Returns:
        (N,) float32, square pixels, at least 1.
    """
    sizes = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0)
    around = box_around_keypoints(keypoints_xy, visible, padding=1)
    around_sizes = around[:, 2:] - around[:, :2]
    box_areas = np.maximum(sizes[:, 0] * sizes[:, 1], around_sizes[:, 0] * around_sizes[:, 1])
    areas: FloatArray = np.clip(SEGMENT_FRACTION * box_areas, 1, _FARTHEST_PX**2).astype(np.float32)
    return areas


def box_around_keypoints(keypoints_xy: FloatArray, visible: BoolArray, padding: float) -> FloatArray:
    """Draw a box around the visible keypoints of each person.

    Args:
        keypoints_xy: (N, K, 2), pixels.
        visible: (N, K).
        padding: Factor by which width and height grow, about the centre.

    Returns:
        (N, 4) float32; all zeros where no keypoint is visible.
    """
    points, seen = _park_unseen(keypoints_xy, visible, _FAR)
    low, high = _find_extents(points, seen)
    nobody = ~seen.any(axis=0)
    low, high = np.where(nobody, 0, low), np.where(nobody, 0, high)
    grow = (high - low) * ((padding - 1) / 2)
    return np.concatenate([low - grow, high + grow]).T.astype(np.float32)


def _park_unseen(keypoints_xy: FloatArray, visible: BoolArray, far: np.float32) -> tuple[FloatArray, BoolArray]:
    """Points as (2, K, N), unseen ones so far away that they add exp(-inf) = 0; and who is seen, (K, N)."""
    # People last in memory as well, so that sums and extremes over keypoints run along them.
    points = np.ascontiguousarray(np.asarray(keypoints_xy, np.float32).transpose(2, 1, 0))
    is_number = np.isfinite(points[0]) & np.isfinite(points[1])
    seen = np.ascontiguousarray(is_number & np.asarray(visible, np.bool_).T)
    near = np.clip(points, -_FARTHEST_PX, _FARTHEST_PX)
    return np.where(seen, near, far).astype(np.float32, copy=False), seen


def _find_extents(
    points: FloatArray, seen: BoolArray, grow: FloatArray | float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Left top and right bottom (2, N) of the seen points, grown; inf and -inf where there are none."""
    low = np.where(seen, points, np.inf).min(axis=1, initial=np.inf)
    high = np.where(seen, points, -np.inf).max(axis=1, initial=-np.inf)
    return low - grow, high + grow
