"""Where the heads of people are who are left out, so that they can be blurred all the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from posetrack.frame import UNTRACKED, BoolArray, Frame, Instances
from posetrack.pipeline import FrameProcessor
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
            yield _add_heads(frame, blur, everyone[_find_left_out(everyone, frame.instances)])


def save_faces_of(track_ids: Collection[int], skeleton: Skeleton) -> FrameProcessor:
    """Make the processor that adds the heads of people to `Frame.faces_xyxy`, before they are left out.

    Args:
        track_ids: Of the people.
        skeleton: What the keypoints are.
    """

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        blur = FaceBlur(skeleton)
        for frame in frames:
            people = frame.instances
            ids = np.full(len(people), UNTRACKED) if people.track_ids is None else people.track_ids
            yield _add_heads(frame, blur, people[np.isin(ids, list(track_ids))])

    return process


def _add_heads(frame: Frame, blur: FaceBlur, others: Instances) -> Frame:
    """The frame with the heads of others, besides those that it has."""
    regions = blur.follow(replace(frame, instances=others))
    boxes = np.array([region.box_xyxy for region in regions], np.float32)
    return replace(frame, faces_xyxy=boxes.reshape(-1, 4))


def _find_left_out(everyone: Instances, kept: Instances) -> BoolArray:
    """Who is not there any more, by the ids; those without one may be anybody."""
    if everyone.track_ids is None or kept.track_ids is None:
        return np.ones(len(everyone), np.bool_)
    return np.asarray(~np.isin(everyone.track_ids, kept.track_ids) | (everyone.track_ids == UNTRACKED))
