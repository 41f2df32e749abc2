"""Poses of the frames between two detections, interpolated where that is as good as an estimate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posetrack.frame import BoolArray, FloatArray, IntArray
from trackers.matching import match_greedy
from trackers.nms import compute_iou

_LEAST_IOU = 0.3
"""Boxes of one person in two detections, and between them, overlap by at least so much."""
_SEEN_SCORE = 0.2
"""Where keypoints of a lower score are says nothing of their motion."""
_MOST_OF_ONE = 3
"""Of one keypoint the error may be so many times that of all."""


@dataclass(frozen=True, eq=False)
class DetectedPoses:
    """The N people of a frame in which they were detected.

    Attributes:
        time_s: Time of the frame.
        boxes_xyxy: (N, 4), pixels.
        keypoints_xy: (N, K, 2), pixels; NaN where none were estimated.
        keypoint_scores: (N, K).
    """

    time_s: float
    boxes_xyxy: FloatArray
    keypoints_xy: FloatArray
    keypoint_scores: FloatArray


def match_boxes(boxes_xyxy: FloatArray, others_xyxy: FloatArray) -> tuple[IntArray, IntArray]:
    """Match the boxes (N, 4) and (M, 4) of the same people at two times: rows and columns of the pairs."""
    return match_greedy(compute_iou(boxes_xyxy, others_xyxy), _LEAST_IOU)


class PoseHistory:
    """Interpolates poses from those of the next frame and of the last two.

    A keypoint of constant acceleration a is at most a h^2 / 8 away from the straight line between two places
    that are h apart in time. Its acceleration is taken from three.

    Args:
        most_error: Poses are interpolated if the keypoints that are seen are so far from such lines at most, in
            the root mean square, and none three times as far, as a fraction of the longest side of the box.
    """

    def __init__(self, most_error: float) -> None:
        self._most_error = most_error
        self._last: tuple[DetectedPoses, ...] = ()

    def add(self, poses: DetectedPoses) -> None:
        """Take note of the poses of the next frame in which people were detected."""
        if self._last and poses.time_s <= self._last[-1].time_s:
            # The clock stands still, or has gone back.
            self._last = ()
        self._last = (*self._last[-1:], poses)

    def interpolate(
        self, after: DetectedPoses, boxes_xyxy: FloatArray, time_s: float
    ) -> tuple[BoolArray, FloatArray, FloatArray]:
        """Interpolate the poses of people between the last frame and one that comes.

        Args:
            after: The people of that one.
            boxes_xyxy: (N, 4), where the people are meanwhile, pixels.
            time_s: The time meanwhile.

        Returns:
            Whose poses can be interpolated (N,), and of those (M,) keypoints (M, K, 2) and scores (M, K).
        """
        K = after.keypoint_scores.shape[1]
        nobody = np.zeros(len(boxes_xyxy), bool), np.zeros((0, K, 2), np.float32), np.zeros((0, K), np.float32)
        if len(self._last) < 2 or not self._last[-1].time_s <= time_s < after.time_s:
            return nobody
        earlier, before = self._last
        old, new = _find_same(boxes_xyxy, before.boxes_xyxy), _find_same(boxes_xyxy, after.boxes_xyxy)
        # Of those who are in none, the row -1 says nothing that counts.
        oldest = np.append(_find_same(before.boxes_xyxy, earlier.boxes_xyxy), -1)[old]
        rows = np.flatnonzero((old >= 0) & (new >= 0) & (oldest >= 0))
        if not len(rows):
            return nobody
        sides = (boxes_xyxy[rows, 2:] - boxes_xyxy[rows, :2]).max(axis=1)
        now = _Motion(_take(earlier, oldest[rows]), _take(before, old[rows]), _take(after, new[rows]))
        is_good = now.find_smooth(self._most_error * sides)
        is_known = nobody[0].copy()
        is_known[rows[is_good]] = True
        keypoints_xy, keypoint_scores = now.interpolate(time_s)
        return is_known, keypoints_xy[is_good], keypoint_scores[is_good]


@dataclass(frozen=True, eq=False)
class _Motion:
    """The same M people in three frames, the last two of which are the ends of straight lines."""

    earlier: DetectedPoses
    before: DetectedPoses
    after: DetectedPoses

    def find_smooth(self, most_errors: FloatArray) -> BoolArray:
        """Whose keypoints are near the lines: at most (M,) pixels away in the root mean square."""
        last_step_s = self.before.time_s - self.earlier.time_s
        step_s = self.after.time_s - self.before.time_s
        change = (self.after.keypoints_xy - self.before.keypoints_xy) / step_s
        change = change - (self.before.keypoints_xy - self.earlier.keypoints_xy) / last_step_s
        accelerations = 2 * np.linalg.norm(change, axis=2) / (last_step_s + step_s)
        errors = accelerations * step_s**2 / 8
        is_seen = np.maximum(self.before.keypoint_scores, self.after.keypoint_scores) >= _SEEN_SCORE
        squares = np.where(is_seen, errors, 0) ** 2
        means = squares.sum(axis=1) / np.maximum(is_seen.sum(axis=1), 1)
        # Never true of NaN, of those who have no pose.
        is_near = (means <= most_errors**2) & (squares.max(axis=1) <= (_MOST_OF_ONE * most_errors) ** 2)
        return np.asarray(is_near & is_seen.any(axis=1))

    def interpolate(self, time_s: float) -> tuple[FloatArray, FloatArray]:
        """The keypoints (M, K, 2) and their scores (M, K) at a time between."""
        step_s = self.after.time_s - self.before.time_s
        weight = np.float32((time_s - self.before.time_s) / step_s)
        old, new = self.before, self.after
        return (
            old.keypoints_xy + weight * (new.keypoints_xy - old.keypoints_xy),
            old.keypoint_scores + weight * (new.keypoint_scores - old.keypoint_scores),
        )


def _take(poses: DetectedPoses, rows: IntArray) -> DetectedPoses:
    columns = (poses.boxes_xyxy, poses.keypoints_xy, poses.keypoint_scores)
    return DetectedPoses(poses.time_s, *(column[rows] for column in columns))


def _find_same(boxes_xyxy: FloatArray, others_xyxy: FloatArray) -> IntArray:
    """The row of each box's person among others (N,); -1 where there is none."""
    partner = np.full(len(boxes_xyxy), -1)
    rows, columns = match_boxes(boxes_xyxy, others_xyxy)
    partner[rows] = columns
    return partner
