"""The processor that estimates the pose in each detected box, with the boxes of several frames in one batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from posetrack.frame import BoolArray, FloatArray, Frame, IntArray
from posetrack.pipeline import FrameProcessor
from posetrack.predictors.networks import PoseEstimator
from posetrack.processors.between_poses import DetectedPoses, PoseHistory
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
    between_error: float = 0.0,
) -> FrameProcessor:
    """Make the processor of pose estimation.

    Args:
        estimator: Called with the images and boxes of several frames at once.
        batch_crops: Number of boxes that triggers a call.
        batch_frames: Number of frames that does, however few people are in them.
        tracker: Settings of the tracker behind it. Given these, boxes that it would drop as duplicates are
            dropped here, and poses that would most likely be too weak to start a track are not estimated
            (`WeakBoxes`): all of their keypoints are NaN, and the tracker asks for those that a track may need.
        between_error: Largest error of poses that are interpolated (`PoseHistory`); 0 estimates all. It is for
            people whose boxes are interpolated, who come marked so; their frames wait for the next one of a
            detection.

    Returns:
        A processor that fills in `keypoints_xy` and `keypoint_scores` of each frame.
    """

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        run = _Run(estimator, tracker, between_error)
        waiting: list[_Chosen] = []
        for frame in frames:
            if waiting and run.choose.depends_on(waiting[0].frame, frame):
                # Those of whole intervals first: which frames go together must not depend on the batch.
                whole = _count_whole(waiting)
                yield from run.finish(waiting[:whole])
                waiting = waiting[whole:]
                if waiting and run.choose.depends_on(waiting[0].frame, frame):
                    yield from run.finish(waiting)
                    waiting = []
            waiting.append(run.choose(frame))
            crops = sum(len(each.wanted_xyxy) for each in waiting)
            is_full = crops >= batch_crops or len(waiting) >= batch_frames
            if is_full and not waiting[-1].is_between:
                yield from run.finish(waiting)
                waiting = []
        yield from run.finish(waiting)

    return process


def _count_whole(waiting: Sequence[_Chosen]) -> int:
    """Number of frames up to the last one in which people were detected."""
    return max((i + 1 for i, each in enumerate(waiting) if not each.is_between), default=0)


class _Run:
    """The estimation of one video's poses.

    Args:
        estimator: As for `estimate`.
        tracker: Likewise.
        between_error: Likewise.

    Attributes:
        choose: Chooses the people of each frame whose poses are wanted.
    """

    def __init__(
        self, estimator: PoseEstimator, tracker: FlowTrackerConfig | None, between_error: float
    ) -> None:
        self.choose = _Everyone() if tracker is None else _NotWeak(tracker)
        self._estimator = estimator
        self._history = PoseHistory(between_error)

    def finish(self, waiting: Sequence[_Chosen]) -> list[Frame]:
        """Find the poses of frames that follow one another: detected people's first, then of those between."""
        detected = [i for i, each in enumerate(waiting) if not each.is_between]
        poses = dict(zip(detected, self._estimate([waiting[i] for i in detected]), strict=True))
        known: dict[int, _Known] = {}
        for i, each in enumerate(waiting):
            if not each.is_between:
                self._history.add(_get_poses(each, *poses[i]))
                continue
            end = next((j for j in detected if j > i), None)
            after = None if end is None else _get_poses(waiting[end], *poses[end])
            known[i] = self._interpolate(each, after)
        rows = {i: waiting[i].rows[~is_known] for i, (is_known, *_) in known.items()}
        left = self._estimate([replace(waiting[i], rows=rows[i]) for i in known])
        poses |= {i: _merge(*known[i], *found) for i, found in zip(known, left, strict=True)}
        for i, each in enumerate(waiting):
            self.choose.note(each, *poses[i])
        return [_fill_in(each, *poses[i]) for i, each in enumerate(waiting)]

    def _estimate(self, chosen: Sequence[_Chosen]) -> list[tuple[FloatArray, FloatArray]]:
        """Estimate keypoints (W, K, 2) and scores (W, K) of those who are wanted in each frame."""
        if not chosen:
            return []
        return self._estimator([each.frame.image for each in chosen], [each.wanted_xyxy for each in chosen])

    def _interpolate(self, chosen: _Chosen, after: DetectedPoses | None) -> _Known:
        is_known, marks = np.zeros(len(chosen.rows), bool), chosen.frame.instances.is_interpolated
        if after is None or marks is None:
            return is_known, np.zeros((0, 0, 2), np.float32), np.zeros((0, 0), np.float32)
        rows = np.flatnonzero(marks[chosen.rows])
        found, xy, scores = self._history.interpolate(after, chosen.wanted_xyxy[rows], chosen.frame.time_s)
        is_known[rows[found]] = True
        return is_known, xy, scores


def _get_poses(chosen: _Chosen, keypoints_xy: FloatArray, keypoint_scores: FloatArray) -> DetectedPoses:
    return DetectedPoses(chosen.frame.time_s, chosen.wanted_xyxy, keypoints_xy, keypoint_scores)


def _merge(
    is_known: BoolArray, known_xy: FloatArray, known_scores: FloatArray, xy: FloatArray, scores: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The keypoints (W, K, 2) and scores (W, K) of those that are known and those that are not, in order."""
    if not is_known.any():
        return xy, scores
    order = np.argsort(np.argsort(~is_known, kind="stable"), kind="stable")
    return np.concatenate([known_xy, xy])[order], np.concatenate([known_scores, scores])[order]


_Known = tuple[BoolArray, FloatArray, FloatArray]
"""Which of the wanted poses are known (W,), and their keypoints (M, K, 2) and scores (M, K)."""


@dataclass(frozen=True)
class _Chosen:
    """A frame, and the rows of its people whose poses are wanted, (W,)."""

    frame: Frame
    rows: IntArray

    @property
    def is_between(self) -> bool:
        """Whether nobody was detected in the frame: its boxes lie between those of others."""
        return self.frame.instances.is_interpolated is not None

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


def _fill_in(chosen: _Chosen, found_xy: FloatArray, found_scores: FloatArray) -> Frame:
    """The frame with the poses that were found, and NaN in place of the others."""
    N, K = len(chosen.frame.instances), found_xy.shape[1]
    keypoints_xy = np.full((N, K, 2), np.nan, np.float32)
    keypoint_scores = np.zeros((N, K), np.float32)
    keypoints_xy[chosen.rows], keypoint_scores[chosen.rows] = found_xy, found_scores
    people = replace(
        chosen.frame.instances,
        keypoints_xy=keypoints_xy,
        keypoint_scores=keypoint_scores,
        is_interpolated=None,
    )
    return replace(chosen.frame, instances=people)
