"""Detection at intervals of time: the boxes of the frames between two detections are interpolated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from posetrack.frame import Frame, Instances
from posetrack.pipeline import FrameProcessor
from posetrack.predictors.networks import Detector
from posetrack.processors.between_poses import match_boxes
from posetrack.processors.detect import detect_frames
from posetrack.processors.estimate import get_boxes
from trackers.scene_cut import compute_scene_similarity
from trackers.shrink import make_gray_thumbnail

_TOLERANCE_S = 1e-3
_SMALL_PX = 160
"""Longest side of the images in which new shots are looked for."""
_LEAST_SIMILARITY = 0.3
"""Without undoing any flow; measured: from 0.4 on within shots, at most 0.2 between unrelated photographs."""
_MOST_FRAMES = 8
"""About so many frames are held back, more only for intervals of more than a tenth of a second."""
_MOST_FPS = 75
"""In intervals of more frames, and of more than eight, more than the first one is chosen."""


class Intervals:
    """Chooses the frames of a video in which people are detected: the first of each interval and of each shot.

    Intervals are counted from time 0 of the source, and a shot begins where an image is not like the one
    before, so that of a part of a video the same frames are chosen as of the whole, and its first one. Of fast
    cameras, or if the time stands still, every so many-th frame is chosen too: never more than eight wait, or
    those of an interval at 75 frames a second.

    Args:
        interval_s: Length of an interval, in seconds.

    Attributes:
        shot: Number of shots that have begun.
    """

    def __init__(self, interval_s: float) -> None:
        self.shot = 0
        self._interval_s = interval_s
        self._most_frames = max(_MOST_FRAMES, round(interval_s * _MOST_FPS))
        self._interval: int | None = None
        self._since = 0
        self._last_size_wh = (0, 0)
        self._last = np.zeros((0, 0), np.uint8)

    def __call__(self, frame: Frame) -> bool:
        """Whether to detect people in the next frame."""
        interval = int((frame.time_s + _TOLERANCE_S) // self._interval_s)
        begins, self._interval = interval != self._interval, interval
        is_new = self._is_new_shot(frame)
        self.shot += is_new
        self._since += 1
        if not (begins or is_new or self._since >= self._most_frames):
            return False
        self._since = 0
        return True

    def _is_new_shot(self, frame: Frame) -> bool:
        last_size_wh, self._last_size_wh = self._last_size_wh, frame.size_wh
        last, self._last = self._last, make_gray_thumbnail(frame.image, _SMALL_PX)
        if last_size_wh != frame.size_wh:
            return True
        return compute_scene_similarity(last, self._last, None) < _LEAST_SIMILARITY


def detect_at_intervals(
    detector: Detector, *, batch_frames: int, interval_s: float, marks: bool = False
) -> FrameProcessor:
    """Make the processor of detection at intervals.

    The frames between two detections wait for the second one, and get boxes from both (`interpolate_people`).
    Frames before a new shot get none: the tracker propagates people there.

    Args:
        detector: Called with up to `batch_frames` images at once.
        batch_frames: Number of images held back for one call, with the frames between them; fewer of very many
            frames a second.
        interval_s: Length of an interval, in seconds; see `Intervals`.
        marks: Whether frames between detections have `is_interpolated`, for who has an interpolated box.

    Returns:
        A processor that replaces the instances of each frame, except for those of restored ones, which count as
        detected. In the last frame people are always detected.
    """

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        choose = Intervals(interval_s)
        before: _Seen | None = None
        held: list[_Seen] = []
        for frame in frames:
            is_chosen = choose(frame)
            if frame.is_restored:
                before = _Seen(frame, True, choose.shot)
                yield frame
                continue
            held.append(_Seen(frame, is_chosen, choose.shot))
            is_full = sum(seen.is_chosen for seen in held) == batch_frames or len(held) >= _MOST_FRAMES
            if is_chosen and is_full:
                held = _look(detector, held)
                yield from _fill_in(before, held, interval_s, marks)
                before, held = held[-1], []
        if held:
            held[-1] = replace(held[-1], is_chosen=True)
            yield from _fill_in(before, _look(detector, held), interval_s, marks)

    return process


@dataclass(frozen=True)
class _Seen:
    """A frame, whether people are detected in it, and the number of its shot."""

    frame: Frame
    is_chosen: bool
    shot: int


def _look(detector: Detector, held: list[_Seen]) -> list[_Seen]:
    found = detect_frames(detector, [seen.frame for seen in held], [seen.is_chosen for seen in held])
    return [replace(seen, frame=frame) for seen, frame in zip(held, found, strict=True)]


def _fill_in(before: _Seen | None, held: list[_Seen], interval_s: float, marks: bool) -> Iterator[Frame]:
    """Interpolate where people are in the frames without detection; the last frame has one."""
    after = held[-1]
    following = []
    for seen in reversed(held):
        after = seen if seen.is_chosen else after
        following.append(after)
    for seen, after in zip(held, reversed(following), strict=True):
        if seen.is_chosen:
            before = seen
        # Before the first frame of all there is none.
        if seen.is_chosen or before is None or seen.shot != after.shot:
            yield seen.frame
        else:
            people = interpolate_people(before.frame, after.frame, seen.frame.time_s, longest_s=interval_s)
            people = people if marks else replace(people, is_interpolated=None)
            yield replace(seen.frame, instances=people)


def interpolate_people(before: Frame, after: Frame, time_s: float, *, longest_s: float) -> Instances:
    """Find where the people of two frames are between them.

    Args:
        before: The earlier frame.
        after: The later one.
        time_s: Time between them, in seconds.
        longest_s: For so long people may have been there before they were found.

    Returns:
        Boxes and scores: interpolated for those in both frames; those of `after` for people who are in that
        alone, unless it is too late. People of `before` alone are left to a tracker. `is_interpolated` is true
        of the former.
    """
    (old, old_scores), (new, new_scores) = get_boxes(before), get_boxes(after)
    rows, columns = match_boxes(old, new)
    # Clocks may stand still, and go back.
    weight = np.clip((time_s - before.time_s) / max(after.time_s - before.time_s, _TOLERANCE_S), 0, 1)
    boxes, scores = new.copy(), new_scores.copy()
    boxes[columns] = old[rows] + np.float32(weight) * (new[columns] - old[rows])
    scores[columns] = old_scores[rows] + np.float32(weight) * (new_scores[columns] - old_scores[rows])
    is_between = np.zeros(len(new), bool)
    is_between[columns] = True
    is_kept = is_between | (after.time_s - time_s <= longest_s)
    return Instances(boxes_xyxy=boxes[is_kept], box_scores=scores[is_kept], is_interpolated=is_between[is_kept])
