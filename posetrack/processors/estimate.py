"""The processor that estimates the pose in each detected box, with the boxes of several frames in one batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from posetrack.frame import FloatArray, Frame, IntArray
from posetrack.pipeline import FrameProcessor
from posetrack.predictors.networks import PoseEstimator
from trackers.config import FlowTrackerConfig
from trackers.nms import box_nms
from trackers.people import People
from trackers.weak_boxes import WeakBoxes, is_settled


def estimate(
    estimator: PoseEstimator,
    *,
    batch_crops: int,
    batch_frames: int,
    tracker: FlowTrackerConfig | None = None,
) -> FrameProcessor:
    """Make the processor of pose estimation.

    Args:
        estimator: Called with the images and boxes of several frames at once.
        batch_crops: Number of boxes that triggers a call.
        batch_frames: Largest number of frames held back, however few people are in them.
        tracker: Settings of the tracker behind it. Given these, boxes that it would drop as duplicates are
            dropped here, and poses that would most likely be too weak to start a track are not estimated
            (`WeakBoxes`): all of their keypoints are NaN, and the tracker asks for those that a track may need.

    Returns:
        A processor that fills in `keypoints_xy` and `keypoint_scores` of each frame.
    """

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        choose = _Everyone() if tracker is None else _NotWeak(tracker)
        waiting: list[_Chosen] = []
        for frame in frames:
            if waiting and choose.depends_on(waiting[0].frame, frame):
                yield from _estimate_frames(estimator, waiting, choose)
                waiting = []
            waiting.append(choose(frame))
            crops = sum(len(each.wanted_xyxy) for each in waiting)
            if crops >= batch_crops or len(waiting) >= batch_frames:
                yield from _estimate_frames(estimator, waiting, choose)
                waiting = []
        if waiting:
            yield from _estimate_frames(estimator, waiting, choose)

    return process


@dataclass(frozen=True)
class _Chosen:
    """A frame, and the rows of its people whose poses are wanted, (W,)."""

    frame: Frame
    rows: IntArray

    @property
    def wanted_xyxy(self) -> FloatArray:
        """Their boxes, (W, 4)."""
        boxes = self.frame.instances.boxes_xyxy
        return np.zeros((0, 4), np.float32) if boxes is None else boxes[self.rows]


class _Everyone:
    """Chooses all people."""

    def __call__(self, frame: Frame) -> _Chosen:
        return _Chosen(frame, np.arange(len(frame.instances)))

    def depends_on(self, before: Frame, frame: Frame) -> bool:
        """Whether the poses of one frame are needed to choose the people of a later one."""
        return False

    def note(self, chosen: _Chosen, keypoints_xy: FloatArray, keypoint_scores: FloatArray) -> None:
        """Take note of the poses that were estimated: keypoints (W, K, 2) and their scores (W, K)."""


class _NotWeak(_Everyone):
    """Chooses the people who may start a track, as far as one knows."""

    def __init__(self, tracker: FlowTrackerConfig) -> None:
        self._tracker = tracker
        self._weak = WeakBoxes(tracker.new_track_min_score)

    def __call__(self, frame: Frame) -> _Chosen:
        boxes, scores = get_boxes(frame)
        kept = np.sort(box_nms(boxes, scores, self._tracker.nms_iou))
        wanted = self._weak.choose(frame.time_s, boxes[kept], scores[kept])
        return _Chosen(replace(frame, instances=frame.instances[kept]), np.flatnonzero(wanted))

    def depends_on(self, before: Frame, frame: Frame) -> bool:
        return is_settled(before.time_s, frame.time_s)

    def note(self, chosen: _Chosen, keypoints_xy: FloatArray, keypoint_scores: FloatArray) -> None:
        boxes, scores = (column[chosen.rows] for column in get_boxes(chosen.frame))
        people = People(boxes, scores, keypoints_xy, keypoint_scores)
        is_weak = ~self._tracker.may_start(people.person_scores, people.visible_scores)
        self._weak.note(chosen.frame.time_s, boxes, scores, is_weak)


def get_boxes(frame: Frame) -> tuple[FloatArray, FloatArray]:
    """The boxes of a frame (N, 4) and their scores (N,), 1 where there are none."""
    boxes, scores = frame.instances.boxes_xyxy, frame.instances.box_scores
    boxes = np.zeros((0, 4), np.float32) if boxes is None else boxes
    return boxes, np.ones(len(boxes), np.float32) if scores is None else scores


def _estimate_frames(estimator: PoseEstimator, chosen: list[_Chosen], choose: _Everyone) -> Iterator[Frame]:
    poses = estimator([each.frame.image for each in chosen], [each.wanted_xyxy for each in chosen])
    for each, pose in zip(chosen, poses, strict=True):
        choose.note(each, *pose)
    for each, pose in zip(chosen, poses, strict=True):
        yield _fill_in(each, *pose)


def _fill_in(chosen: _Chosen, found_xy: FloatArray, found_scores: FloatArray) -> Frame:
    """The frame with the poses that were found, and NaN in place of the others."""
    N, K = len(chosen.frame.instances), found_xy.shape[1]
    keypoints_xy = np.full((N, K, 2), np.nan, np.float32)
    keypoint_scores = np.zeros((N, K), np.float32)
    keypoints_xy[chosen.rows], keypoint_scores[chosen.rows] = found_xy, found_scores
    people = replace(chosen.frame.instances, keypoints_xy=keypoints_xy, keypoint_scores=keypoint_scores)
    return replace(chosen.frame, instances=people)
