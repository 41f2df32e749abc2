"""Detection when it is needed: between detections the tracker follows people by flow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from posetrack.frame import FloatArray, Frame, ImageArray, Instances
from posetrack.pipeline import FrameProcessor
from posetrack.processors.detect import ChooseFrame
from trackers.nms import compute_iou
from trackers.shrink import make_gray_thumbnail

LONGEST_S = 0.4
"""The longest time without a detection; less where the tracker propagates people for a shorter one."""

_TOLERANCE_S = 1e-3
_MOVING_S = 0.12
_MEETING_IOU = 0.02
_SMALL_PX = 160
"""Longest side of the images in which movement is looked for."""
_LEAST_CHANGE = 24
"""By how many grey levels a pixel has to differ to count as changed."""
_LEAST_AREA = 0.003
"""A fraction of the image: a person of a seventh of its height is about as large."""
_MARGIN = 0.25
"""People's boxes are made wider and higher by this much on each side: movement in there is theirs."""


class DetectionOnDemand:
    """Chooses the frames in which people are detected, by what the tracker made of the frames before.

    People are detected in the first frame, and again when somebody who was followed is lost, when people meet,
    when something moves where nobody is known, and in any case after a time. In the frames between the tracker
    propagates the people of the frame before. What is chosen depends on this frame and those before it alone,
    so that runs repeat to the last bit; therefore nothing from `detect` to the tracker may hold frames back.

    Args:
        longest_s: Longest time between two detections.
    """

    def __init__(self, *, longest_s: float) -> None:
        self._longest_s = longest_s
        self._followed = _Followed.nobody()
        self._movement = _Movement()
        self._last_s = -np.inf

    def start(self) -> ChooseFrame:
        """Begin a video; returns what tells of its frames, in order, whether to detect people in them."""
        self._followed, self._movement, self._last_s = _Followed.nobody(), _Movement(), -np.inf
        return self._choose

    def watch(self, track: FrameProcessor) -> FrameProcessor:
        """Make a processor that does what the tracker does, which is watched."""

        def process(frames: Iterator[Frame]) -> Iterator[Frame]:
            for frame in track(frames):
                self._followed = self._followed.update(frame.instances)
                yield frame

        return process

    def _choose(self, frame: Frame) -> bool:
        waited_s = frame.time_s - self._last_s
        if not (self._is_due(waited_s) or self._movement.is_seen(frame, self._followed.boxes_xyxy, waited_s)):
            return False
        self._last_s = frame.time_s
        self._movement.remember(frame.image)
        return True

    def _is_due(self, waited_s: float) -> bool:
        # Times that go back are those of a camera that began anew.
        if self._followed.is_somebody_lost or waited_s < 0 or waited_s >= self._longest_s - _TOLERANCE_S:
            return True
        return self._followed.do_people_meet


@dataclass(frozen=True)
class _Followed:
    """Who is followed.

    Attributes:
        track_ids: Their ids.
        boxes_xyxy: Their boxes, (N, 4).
        is_somebody_lost: Whether somebody of the frame before is not among them.
    """

    track_ids: frozenset[int]
    boxes_xyxy: FloatArray
    is_somebody_lost: bool = False

    @classmethod
    def nobody(cls) -> _Followed:
        return cls(frozenset(), np.zeros((0, 4), np.float32))

    def update(self, people: Instances) -> _Followed:
        """The same for the next frame."""
        if people.track_ids is None or people.boxes_xyxy is None:
            return _Followed.nobody()
        track_ids = frozenset(people.track_ids.tolist())
        return _Followed(track_ids, people.boxes_xyxy, not self.track_ids <= track_ids)

    @property
    def do_people_meet(self) -> bool:
        """Whether the boxes of two of them overlap."""
        overlaps = compute_iou(self.boxes_xyxy, self.boxes_xyxy)
        return bool((np.triu(overlaps, 1) > _MEETING_IOU).any())


class _Movement:
    """What has changed since the last detection, where nobody is known."""

    def __init__(self) -> None:
        self._last: ImageArray = np.zeros((0, 0), np.uint8)

    def remember(self, image: ImageArray) -> None:
        """Compare later images with this one."""
        self._last = make_gray_thumbnail(image, _SMALL_PX)

    def is_seen(self, frame: Frame, boxes_xyxy: FloatArray, waited_s: float) -> bool:
        """Whether something as large as a person has moved outside of the boxes."""
        if waited_s < _MOVING_S - _TOLERANCE_S:
            return False
        small = make_gray_thumbnail(frame.image, _SMALL_PX)
        if small.shape != self._last.shape:
            return True
        changed = (cv2.absdiff(small, self._last) >= _LEAST_CHANGE).astype(np.uint8)
        factor = small.shape[1] / frame.size_wh[0]
        grown = boxes_xyxy + _MARGIN * (boxes_xyxy[:, [2, 3, 2, 3]] - boxes_xyxy[:, [0, 1, 0, 1]]) * (
            -1,
            -1,
            1,
            1,
        )
        for left, top, right, bottom in np.rint(grown * factor).astype(int):
            changed[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 0
        if changed.sum() < _LEAST_AREA * changed.size:
            return False
        _, _, stats, _ = cv2.connectedComponentsWithStats(changed, connectivity=8)
        return bool(stats[1:, cv2.CC_STAT_AREA].max(initial=0) >= _LEAST_AREA * changed.size)
