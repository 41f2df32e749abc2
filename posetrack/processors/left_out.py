"""LeftOutFaces: where the heads of people are whom a pipeline leaves out, so that they can be blurred."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from posetrack.frame import UNTRACKED, BoolArray, Frame, Instances
from posetrack.render import FaceBlur
from posetrack.skeleton import Skeleton


class LeftOutFaces:
    """Two processors: one sees everybody, and one finds the heads of those who are no longer there.

    Restored frames know their faces already.

    Args:
        skeleton: What the keypoints are.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._everyone: deque[Instances] = deque()

    def remember(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """The first one: after the tracker, before anybody is left out."""
        self._everyone.clear()
        for frame in frames:
            self._everyone.append(frame.instances)
            yield frame

    def add(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """The second one: sets `Frame.faces_xyxy`; frames come once, and in order."""
        blur = FaceBlur(self._skeleton)
        for frame in frames:
            everyone = self._everyone.popleft()
            if frame.is_restored:
                blur.take_up(frame)
                yield frame
                continue
            others = everyone[_find_left_out(everyone, frame.instances)]
            regions = blur.follow(replace(frame, instances=others, faces_xyxy=None))
            boxes = np.array([region.box_xyxy for region in regions], np.float32)
            yield replace(frame, faces_xyxy=boxes.reshape(-1, 4))


def _find_left_out(everyone: Instances, kept: Instances) -> BoolArray:
    """Who is not there any more, by the ids; those without one may be anybody."""
    if everyone.track_ids is None or kept.track_ids is None:
        return np.ones(len(everyone), np.bool_)
    return np.asarray(~np.isin(everyone.track_ids, kept.track_ids) | (everyone.track_ids == UNTRACKED))
