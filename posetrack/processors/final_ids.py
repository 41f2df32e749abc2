"""The processor that gives frames their final people: ids are joined, tracks dropped, gaps filled."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from posetrack.frame import UNTRACKED, FloatArray, Frame, Instances
from posetrack.pipeline import FrameProcessor
from posetrack.processors.camera_path import CameraPath, is_short_gap
from posetrack.processors.stitch import StitchPlan
from trackers.newest import move_boxes
from trackers.nms import compute_iou

_SAME_PLACE_IOU = 0.5


@dataclass
class _Waiting:
    """A frame that is held back, and the people in it whose tracks are dropped."""

    position: int
    frame: Frame
    dropped: Instances


_MOST_WAITING = 4096
"""Frames that are held back at most, whatever their times say."""


class _Seen(NamedTuple):
    """The last time that a person was seen: position of the frame, and the person alone."""

    position: int
    person: Instances


def give_final_ids(plan: StitchPlan, path: CameraPath, *, max_interpolated_s: float) -> FrameProcessor:
    """Make the processor that carries out a plan.

    Where a person is missing for a moment, they are placed on the line between where they were and where they
    are again, measured against the background, and marked as interpolated. If someone of a dropped track was
    found there, that is them. Frames are held back for no longer than such a gap lasts.

    Args:
        plan: The plan.
        path: The camera's path over the same frames.
        max_interpolated_s: Longest time between two sightings of a person that is filled.

    Returns:
        A processor that takes all frames of the run, in order, as they were tracked.
    """

    def process(frames: Iterator[Frame]) -> Iterator[Frame]:
        waiting: deque[_Waiting] = deque()
        seen: dict[int, _Seen] = {}
        for position, frame in enumerate(frames):
            people, dropped = _rename(frame.instances, plan)
            for row, track_id in enumerate([] if people.track_ids is None else people.track_ids.tolist()):
                if track_id == UNTRACKED:
                    continue
                now = _Seen(position, people[[row]])
                before = seen.get(track_id)
                if before and is_short_gap(path, before.position, position, max_interpolated_s):
                    _fill(waiting, before, now, path)
                seen[track_id] = now
            waiting.append(_Waiting(position, replace(frame, instances=people), dropped))
            oldest_s = path.get_time_s(position) - max_interpolated_s - 1e-3
            while waiting and (path.get_time_s(waiting[0].position) < oldest_s or len(waiting) > _MOST_WAITING):
                yield waiting.popleft().frame
            seen = {i: last for i, last in seen.items() if path.get_time_s(last.position) >= oldest_s}
        for held in waiting:
            yield held.frame

    return process


def _rename(people: Instances, plan: StitchPlan) -> tuple[Instances, Instances]:
    """The people who stay, with their final ids, and those whose tracks are dropped."""
    if people.track_ids is None:
        return people, people[[]]
    ids = people.track_ids.tolist()
    final = np.array([plan.final_ids.get(track_id, track_id) for track_id in ids], np.int64)
    kept = np.array([track_id not in plan.dropped for track_id in ids], np.bool_)
    return people.with_columns(track_ids=final)[kept], people[~kept]


def _fill(waiting: deque[_Waiting], before: _Seen, after: _Seen, path: CameraPath) -> None:
    """Add a person to the waiting frames between two sightings, where they are in the image."""
    start_s, end_s = path.get_time_s(before.position), path.get_time_s(after.position)
    for held in waiting:
        if not before.position < held.position < after.position:
            continue
        part = (path.get_time_s(held.position) - start_s) / (end_s - start_s) if end_s > start_s else 0.5
        ends = [_move(each.person, path.map_between(each.position, held.position)) for each in (before, after)]
        person = _find_among_dropped(held, _blend(ends, part))
        if _is_centre_inside(person, path.get_size_wh(held.position)):
            people = Instances.concatenate([held.frame.instances, person])
            held.frame = replace(held.frame, instances=people)


def _find_among_dropped(held: _Waiting, person: Instances) -> Instances:
    """Someone of a dropped track who is where a person is expected, under that person's id; else the person."""
    dropped = held.dropped
    if not len(dropped) or dropped.boxes_xyxy is None or person.boxes_xyxy is None:
        return person
    overlap = compute_iou(person.boxes_xyxy, dropped.boxes_xyxy)[0]
    best = int(overlap.argmax())
    if overlap[best] < _SAME_PLACE_IOU:
        return person
    held.dropped = dropped[np.arange(len(dropped)) != best]
    return dropped[[best]].with_columns(track_ids=person.track_ids)


def _move(person: Instances, motion: npt.NDArray[np.float64]) -> Instances:
    """A person where the camera's motion moves them."""
    boxes, xy = person.boxes_xyxy, person.keypoints_xy
    return person.with_columns(
        boxes_xyxy=None if boxes is None else move_boxes(boxes, motion.astype(np.float32)),
        keypoints_xy=None if xy is None else xy @ motion[:, :2].T + motion[:, 2],
    )


def _blend(ends: Sequence[Instances], part: float) -> Instances:
    """A person between two sightings; `part` of the way from the first to the second."""
    first, second = ends

    def between(name: str) -> FloatArray | None:
        a, b = getattr(first, name), getattr(second, name)
        return None if a is None or b is None else a + (b - a) * np.float32(part)

    def lower(name: str) -> FloatArray | None:
        a, b = getattr(first, name), getattr(second, name)
        return None if a is None or b is None else np.minimum(a, b)

    return Instances(
        boxes_xyxy=between("boxes_xyxy"),
        box_scores=lower("box_scores"),
        keypoints_xy=between("keypoints_xy"),
        keypoint_scores=lower("keypoint_scores"),
        track_ids=first.track_ids,
        is_interpolated=np.ones(1, np.bool_),
    )


def _is_centre_inside(person: Instances, size_wh: tuple[int, int]) -> bool:
    if person.boxes_xyxy is None:
        return True
    centre = (person.boxes_xyxy[0, :2] + person.boxes_xyxy[0, 2:]) / 2
    return bool(((centre >= 0) & (centre <= np.array(size_wh))).all())
