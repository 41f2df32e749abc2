"""The windows that follow people through a video: of constant size, and moving smoothly.

Positions and sizes are fractions of each frame's width and height, so that they hold where the size changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from posetrack.frame import UNTRACKED, Frame

DoubleArray = npt.NDArray[np.float64]

SMOOTH_S = 0.5
"""A window's centre is fitted to the person's positions for so long before and after."""

_SIZES = np.geomspace(0.001, 4, 200)
_LARGE = 0.95
"""A window holds this fraction of the person's boxes; the largest ones are often mistakes."""


@dataclass(eq=False)
class CropPlan:
    """What is to be cut out for one person.

    Attributes:
        track_id: The person's.
        first: Position of the first frame with the person.
        last: Position of the last one.
        best_index: Index of the frame that shows the person best.
        best_box: The person's box there, (4,) xyxy.
    """

    track_id: int
    first: int
    last: int = 0
    best_index: int = 0
    best_box: DoubleArray = field(default_factory=lambda: np.zeros(4))
    _best: float = -1.0
    _sizes: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((2, len(_SIZES)), np.int64))

    def see(self, position: int, frame: Frame, row: int) -> None:
        """Remember the person of one row of the next frame."""
        box = _get_boxes(frame)[row]
        self.last = position
        sides = np.clip(np.searchsorted(_SIZES, box[2:] - box[:2]), 0, len(_SIZES) - 1)
        self._sizes[[0, 1], sides] += 1
        people = frame.instances
        is_found = people.is_interpolated is None or not people.is_interpolated[row]
        inside = np.clip(box, 0, 1)
        visible = float((inside[2] - inside[0]) * (inside[3] - inside[1]))
        quality = float(people.person_scores[row]) * visible + visible * 1e-3 if is_found else 0.0
        if quality > self._best:
            self._best, self.best_index, self.best_box = quality, frame.index, box

    @property
    def size(self) -> DoubleArray:
        """Width and height that hold nearly all boxes of the person, (2,)."""
        counts = self._sizes.cumsum(axis=1)
        return np.asarray(_SIZES[(counts >= _LARGE * counts[:, -1:]).argmax(axis=1)])


def plan_crops(frames: Iterable[Frame]) -> dict[int, CropPlan]:
    """Read all frames once, and plan what is cut out, by track id; memory grows with the ids only."""
    plans: dict[int, CropPlan] = {}
    for position, frame in enumerate(frames):
        for row, track_id in enumerate(_get_ids(frame)):
            if track_id != UNTRACKED:
                plans.setdefault(track_id, CropPlan(track_id, position)).see(position, frame, row)
    return plans


def group_plans(plans: Iterable[CropPlan], most_at_once: int) -> list[list[CropPlan]]:
    """Group plans so that at most so many of a group are there at one time; in as few groups as possible."""
    groups: list[list[CropPlan]] = []
    for plan in sorted(plans, key=lambda plan: (plan.first, plan.track_id)):
        for group in groups:
            if sum(other.last >= plan.first for other in group) < most_at_once:
                group.append(plan)
                break
        else:
            groups.append([plan])
    return groups


def follow_people(frames: Iterable[Frame]) -> Iterator[dict[int, DoubleArray]]:
    """Yield the smoothed centre (2,) of each person, by track id, frame by frame.

    Someone who is missing between two sightings is followed through the gap if both are within `SMOOTH_S`.
    Frames are looked at so far ahead; no images are held.
    """
    around: deque[tuple[float, dict[int, DoubleArray]]] = deque()
    waiting = 0
    last_s = now_s = 0.0
    for frame in frames:
        # Clocks may go back; the order of the frames counts then.
        now_s += max(frame.time_s - last_s, 0.0) if around else 0.0
        last_s = frame.time_s
        boxes = _get_boxes(frame)
        centres = {i: (boxes[row, :2] + boxes[row, 2:]) / 2 for row, i in enumerate(_get_ids(frame))}
        around.append((now_s, centres))
        waiting += 1
        while around[-waiting][0] < now_s - SMOOTH_S:
            yield _smooth(around, len(around) - waiting)
            waiting -= 1
            while around[0][0] < around[-waiting][0] - SMOOTH_S:
                around.popleft()
    for place in range(len(around) - waiting, len(around)):
        yield _smooth(around, place)


def _smooth(around: Sequence[tuple[float, dict[int, DoubleArray]]], place: int) -> dict[int, DoubleArray]:
    now_s, here = around[place]
    times: dict[int, list[float]] = {}
    centres: dict[int, list[DoubleArray]] = {}
    for time_s, people in around:
        if abs(time_s - now_s) <= SMOOTH_S + 1e-6:
            for track_id, centre in people.items():
                times.setdefault(track_id, []).append(time_s - now_s)
                centres.setdefault(track_id, []).append(centre)
    return {
        track_id: _fit(np.array(seen), np.array(centres[track_id]))
        for track_id, seen in times.items()
        if track_id != UNTRACKED and (track_id in here or (min(seen) < 0 < max(seen)))
    }


def _fit(times_s: DoubleArray, centres: DoubleArray) -> DoubleArray:
    """Where a straight line through points (M, 2), near ones counting more, is at time 0."""
    weights = 1.001 - np.abs(times_s) / SMOOTH_S
    weights /= weights.sum()
    mean_s, mean = weights @ times_s, weights @ centres
    spread = weights @ (times_s - mean_s) ** 2
    if spread < 1e-9:
        return np.asarray(mean)
    slope = (weights * (times_s - mean_s)) @ (centres - mean) / spread
    return np.asarray(mean - slope * mean_s)


def _get_ids(frame: Frame) -> list[int]:
    people = frame.instances
    if people.track_ids is None or people.boxes_xyxy is None:
        return []
    return [int(track_id) for track_id in people.track_ids]


def _get_boxes(frame: Frame) -> DoubleArray:
    boxes = frame.instances.boxes_xyxy
    return np.zeros((0, 4)) if boxes is None else boxes.astype(np.float64) / (*frame.size_wh, *frame.size_wh)
