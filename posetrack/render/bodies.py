"""Where people are in an image, whatever is known of them."""

from __future__ import annotations

import numpy as np

from posetrack.frame import BoolArray, FloatArray, Instances
from trackers.oks import box_around_keypoints

# Coordinates are clipped this far outside the image, because OpenCV's are 32-bit integers.
FARTHEST_PX = 1e5


def find_boxes(people: Instances) -> FloatArray:
    """Find a box of everyone: their own, else one around their keypoints, else one around their mask.

    Args:
        people: N people.

    Returns:
        (N, 4), xyxy, pixels, finite; of no extent where nothing is known.
    """
    if people.boxes_xyxy is not None:
        return limit(people.boxes_xyxy)
    points, masks = people.drawn_xy, people.masks
    if points is not None and points.shape[1]:
        return limit(box_around_keypoints(points, _find_sure(people), padding=1.2))
    boxes = np.zeros((len(people), 4), np.float32)
    for box, mask in zip(boxes, () if masks is None else masks, strict=False):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


def find_extents(people: Instances, min_keypoint_score: float) -> FloatArray:
    """Find the boxes around everyone's box and visible keypoints, (N, 4) xyxy."""
    boxes, points = find_boxes(people), people.drawn_xy
    if points is None or people.keypoint_scores is None or not points.shape[1]:
        return boxes
    shown = (people.keypoint_scores >= min_keypoint_score)[..., None]
    points = limit(points)
    low = np.where(shown, points, np.inf).min(axis=1)
    high = np.where(shown, points, -np.inf).max(axis=1)
    return np.concatenate([np.minimum(boxes[:, :2], low), np.maximum(boxes[:, 2:], high)], axis=1)


def limit(coordinates: FloatArray) -> FloatArray:
    """Coordinates that are finite and fit into OpenCV's integers."""
    return np.clip(np.nan_to_num(coordinates), -FARTHEST_PX, FARTHEST_PX)


def _find_sure(people: Instances) -> BoolArray:
    """Keypoints that bound a person: those that score, or all where none does."""
    assert people.keypoints_xy is not None
    scores = people.keypoint_scores
    seen = np.ones(people.keypoints_xy.shape[:2], np.bool_) if scores is None else scores >= 0.2
    return seen | ~seen.any(axis=1, keepdims=True)
