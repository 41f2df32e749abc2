"""Marks of frames that deserve a look: low scores, and jumps after which an id may be another person."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.frame import UNTRACKED, BoolArray, FloatArray, Instances, IntArray
from posetrack.results.people import complete_boxes
from trackers.nms import compute_iou
from trackers.oks import compute_oks, compute_pose_areas

LOW_SCORE = 0.3
"""The score of a person is low below this: the mean of the keypoints', or the box's where there are none."""

_VISIBLE_SCORE = 0.2
_FEWEST_VISIBLE = 3
LONGEST_S = 2.0
"""After a longer absence nothing is compared."""
_STEP_S = 0.12
"""Over this time a pose resembles itself."""
_LOW_OKS = 0.2
_LEAST_LIKE_OTHER = 0.4
_MARGIN = 0.2
"""By so much more like another person than like oneself."""
_FASTEST_HPS = 6.0
"""Body heights per second; a sprinter makes 5.5."""
_JITTER_H = 0.4
"""By so many body heights the centre of a box moves when legs are found, or lost."""


@dataclass(frozen=True)
class Suspect:
    """A frame in which an id may have become another person.

    Attributes:
        frame: The frame.
        track_id: The id.
        other: The id whose earlier pose the person resembles more than their own; None where there is none.
        oks: OKS with the id's own last pose; NaN where the poses cannot be compared.
        speed_hps: Speed of the box's centre since then, in body heights per second.
    """

    frame: int
    track_id: int
    other: int | None
    oks: float
    speed_hps: float


@dataclass(frozen=True, eq=False)
class _Scene:
    """The people of a frame who have an id."""

    time_s: float
    ids: list[int]
    row_of: dict[int, int]
    boxes: FloatArray
    xy: FloatArray
    visible: BoolArray
    areas: FloatArray

    @classmethod
    def take(cls, time_s: float, people: Instances, num_keypoints: int) -> _Scene:
        ids = np.zeros(0, np.int64) if people.track_ids is None else people.track_ids
        rows = np.flatnonzero(ids != UNTRACKED)
        boxes = complete_boxes(people)[rows]
        xy = np.zeros((len(rows), num_keypoints, 2), np.float32)
        visible = np.zeros((len(rows), num_keypoints), np.bool_)
        if people.keypoints_xy is not None:
            xy, visible = people.keypoints_xy[rows], ~visible
            if people.keypoint_scores is not None:
                visible = people.keypoint_scores[rows] > _VISIBLE_SCORE
        tracked = ids[rows].tolist()
        row_of = {track_id: row for row, track_id in enumerate(tracked)}
        return cls(time_s, tracked, row_of, boxes, xy, visible, compute_pose_areas(boxes, xy, visible))


class SuspectFinder:
    """Finds jumps of ids, from frame to frame; memory grows with the people of two seconds.

    An id is suspected where it moves faster than people do, where its pose is nothing like the one of the frame
    before, and where it is in the last place of another id clearly more than in its own, and more than that id
    is: from one frame to the next by OKS; after an absence, in which limbs have moved, by the IoU of boxes.

    Args:
        sigmas: (K,), of the skeleton.
    """

    def __init__(self, sigmas: npt.ArrayLike) -> None:
        self._sigmas = np.asarray(sigmas, np.float32)
        self._previous: _Scene | None = None
        # The last scenes of those who were not in the previous one.
        self._lost: dict[int, _Scene] = {}

    def look(self, frame: int, time_s: float, people: Instances) -> list[Suspect]:
        """Compare the people of the next frame with where they were last.

        Args:
            frame: The frame.
            time_s: Its time.
            people: Its people.
        """
        now, before = _Scene.take(time_s, people, len(self._sigmas)), self._previous
        self._lost = {track_id: scene for track_id, scene in self._lost.items() if _may_compare(now, scene)}
        rows_of: dict[int, list[int]] = {}
        scenes: dict[int, _Scene] = {}
        if before is not None and _may_compare(now, before):
            scenes[id(before)] = before
            rows_of[id(before)] = [row for row, track_id in enumerate(now.ids) if track_id in before.row_of]
            self._lost.update(dict.fromkeys(before.row_of.keys() - now.row_of.keys(), before))
        for track_id in self._lost.keys() & now.row_of.keys():
            scene = self._lost.pop(track_id)
            scenes[id(scene)] = scene
            rows_of.setdefault(id(scene), []).append(now.row_of[track_id])
        self._previous = now
        found: list[Suspect] = []
        for key, scene in scenes.items():
            if rows_of[key]:
                found += self._compare(frame, now, scene, np.array(rows_of[key]))
        return found

    def _compare(self, frame: int, now: _Scene, before: _Scene, rows: IntArray) -> list[Suspect]:
        """Compare people, by their rows, with the scene in which they were last."""
        passed_s = now.time_s - before.time_s
        old = np.array([before.row_of[now.ids[row]] for row in rows])
        speeds = _measure_speeds(now.boxes[rows], before.boxes[old], passed_s)
        oks = self._compute_own_oks(now, rows, before, old)
        is_step = passed_s <= _STEP_S
        is_leap = speeds > _FASTEST_HPS + _JITTER_H / passed_s
        if is_step:
            is_leap |= oks < _LOW_OKS
        # Who resembles themselves can resemble nobody by so much more.
        others = np.full(len(rows), UNTRACKED)
        unsure = np.flatnonzero(~(oks >= 1 - _MARGIN))
        if len(unsure):
            others[unsure] = self._find_others(now, rows[unsure], before, old[unsure])
        return [
            Suspect(
                frame,
                now.ids[rows[i]],
                None if others[i] == UNTRACKED else int(others[i]),
                float(oks[i]),
                float(speeds[i]),
            )
            for i in np.flatnonzero(is_leap | (others != UNTRACKED)).tolist()
        ]

    def _find_others(self, now: _Scene, rows: IntArray, before: _Scene, old: IntArray) -> IntArray:
        """Whose earlier place each person has taken, (n,); `UNTRACKED` for nobody's."""
        people, likeness = np.arange(len(rows)), self._measure_likeness(now, rows, before)
        least = np.maximum(likeness[people, old] + _MARGIN, _LEAST_LIKE_OTHER)
        likeness[people, old] = 0.0
        best = likeness.argmax(axis=1)
        others = np.full(len(rows), UNTRACKED)
        for i in np.flatnonzero(likeness[people, best] > least).tolist():
            other = before.ids[best[i]]
            row = now.row_of.get(other)
            # Not if that person is still there.
            if (
                row is None
                or self._measure_likeness(now, np.array([row]), before)[0, best[i]] < likeness[i, best[i]]
            ):
                others[i] = other
        return others

    def _measure_likeness(self, now: _Scene, rows: IntArray, before: _Scene) -> FloatArray:
        """How people, by their rows, resemble those of another scene, (n, M): OKS, or the IoU of boxes."""
        if now.time_s - before.time_s > _STEP_S or not before.visible.any():
            return compute_iou(now.boxes[rows], before.boxes)
        return compute_oks(
            now.xy[rows],
            now.visible[rows],
            before.xy,
            before.visible,
            areas_px2=now.areas[rows],
            others_areas_px2=before.areas,
            sigmas=self._sigmas,
        )

    def _compute_own_oks(self, now: _Scene, rows: IntArray, before: _Scene, old: IntArray) -> FloatArray:
        """OKS of people with themselves, row by row, (n,); NaN where they share too few keypoints."""
        offsets = now.xy[rows] - before.xy[old]
        scale = 4 * (now.areas[rows] + before.areas[old])[:, None] * self._sigmas**2
        both = now.visible[rows] & before.visible[old]
        count = both.sum(axis=1)
        total = (np.exp(-(offsets**2).sum(axis=2) / scale) * both).sum(axis=1)
        return np.where(count >= _FEWEST_VISIBLE, total / np.maximum(count, 1), math.nan).astype(np.float32)


def _may_compare(now: _Scene, before: _Scene) -> bool:
    return 0 < now.time_s - before.time_s <= LONGEST_S


def _measure_speeds(boxes: FloatArray, before: FloatArray, passed_s: float) -> FloatArray:
    """Speeds of the centres of boxes, (n,) body heights per second."""
    heights = np.maximum(np.maximum(boxes[:, 3] - boxes[:, 1], before[:, 3] - before[:, 1]), 1)
    moved = np.linalg.norm((boxes[:, :2] + boxes[:, 2:] - before[:, :2] - before[:, 2:]) / 2, axis=1)
    return np.asarray(moved / heights / passed_s, np.float32)


def find_low(people: Instances) -> BoolArray:
    """Who has a low score, (N,)."""
    if people.keypoint_scores is not None:
        return np.asarray(people.keypoint_scores.mean(axis=1) < LOW_SCORE)
    if people.box_scores is not None:
        return np.asarray(people.box_scores < LOW_SCORE)
    return np.zeros(len(people), np.bool_)
