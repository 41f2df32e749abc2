"""Non-maximum suppression of boxes and of poses: of several detections of one person the best one stays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trackers.oks import compute_oks

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def compute_iou(boxes_xyxy: FloatArray, others_xyxy: FloatArray) -> FloatArray:
    """Compare every box with every other one: intersection over union.

    Args:
        boxes_xyxy: (N, 4), pixels.
        others_xyxy: (M, 4), pixels.

    Returns:
        (N, M) float32 from 0 to 1; 0 with a box that has no area.
    """
    return compute_double_iou(boxes_xyxy, others_xyxy).astype(np.float32)


def compute_double_iou(boxes_xyxy: npt.ArrayLike, others_xyxy: npt.ArrayLike) -> DoubleArray:
    """Compare boxes as `compute_iou` does, in double precision: an IoU of 0.7 is not less than 0.7."""
    boxes, others = np.asarray(boxes_xyxy, np.float64), np.asarray(others_xyxy, np.float64)
    intersections = compute_intersections(boxes, others)
    unions = compute_areas(boxes)[:, None] + compute_areas(others)
    unions -= intersections
    iou: DoubleArray = intersections / np.maximum(unions, 1e-9, out=unions)
    return iou


def compute_intersections(boxes_xyxy: DoubleArray, others_xyxy: DoubleArray) -> DoubleArray:
    """The area that every box (N, 4) has in common with every other one (M, 4), (N, M)."""
    areas = _compute_overlaps(boxes_xyxy, others_xyxy, 0)
    areas *= _compute_overlaps(boxes_xyxy, others_xyxy, 1)
    return areas


def _compute_overlaps(boxes_xyxy: DoubleArray, others_xyxy: DoubleArray, axis: int) -> DoubleArray:
    """How far every box overlaps every other one along x (0) or y (1), (N, M).

    One axis at a time: arrays whose last side is 2 are slow.
    """
    overlaps = np.minimum(boxes_xyxy[:, None, 2 + axis], others_xyxy[:, 2 + axis])
    overlaps -= np.maximum(boxes_xyxy[:, None, axis], others_xyxy[:, axis])
    return np.maximum(overlaps, 0, out=overlaps)


def box_nms(boxes_xyxy: FloatArray, scores: FloatArray, max_iou: float) -> IntArray:
    """Keep the highest-scoring of boxes that overlap.

    Args:
        boxes_xyxy: (N, 4), pixels.
        scores: (N,).
        max_iou: A box that overlaps a kept one more than this goes.

    Returns:
        Rows that are kept, by descending score; the first of equals first.
    """
    return _suppress(compute_iou(boxes_xyxy, boxes_xyxy) > max_iou, scores)


def oks_nms(
    keypoints_xy: FloatArray,
    visible: BoolArray,
    scores: FloatArray,
    *,
    areas_px2: FloatArray,
    sigmas: FloatArray,
    max_oks: float,
) -> IntArray:
    """Keep the highest-scoring of poses that are alike.

    Args:
        keypoints_xy: (N, K, 2), pixels.
        visible: (N, K).
        scores: (N,), of the people.
        areas_px2: (N,), square pixels; see `trackers.oks.compute_pose_areas`.
        sigmas: (K,).
        max_oks: A pose whose OKS with a kept one is above this goes.

    Returns:
        Rows that are kept, by descending score; the first of equals first.
    """
    oks = compute_oks(
        keypoints_xy,
        visible,
        keypoints_xy,
        visible,
        areas_px2=areas_px2,
        others_areas_px2=areas_px2,
        sigmas=sigmas,
        min_oks=max_oks,
    )
    return _suppress(oks > max_oks, scores)


def _suppress(alike: BoolArray, scores: FloatArray) -> IntArray:
    order = np.argsort(-np.asarray(scores), kind="stable")
    kept = np.ones(len(order), np.bool_)
    for row in order:
        if kept[row]:
            # `alike` is symmetric: a higher-scoring row that is kept was not alike, or this one would be gone.
            kept &= ~alike[row]
            kept[row] = True
    return order[kept[order]].astype(np.int64)


def are_centres_inside(boxes_xyxy: FloatArray, size_wh: tuple[int, int]) -> BoolArray:
    """Which boxes have an extent and their centre in the image, (N,)."""
    centres = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
    has_extent = (boxes_xyxy[:, 2:] > boxes_xyxy[:, :2]).all(axis=1)
    inside = ((centres >= 0) & (centres <= np.array(size_wh))).all(axis=1)
    return np.asarray(inside & has_extent)


def compute_areas(boxes_xyxy: DoubleArray) -> DoubleArray:
    """The areas of boxes (N, 4), (N,); 0 of one whose sides are below 0."""
    areas: DoubleArray = np.prod(np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0), axis=1)
    return areas
