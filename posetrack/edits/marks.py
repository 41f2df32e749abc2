"""Marks of frames that deserve a look: low scores, and jumps after which an id may be another person."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.frame import UNTRACKED, Instances
from posetrack.results.people import complete_boxes
from trackers.oks import compute_oks, compute_pose_areas

FloatArray = npt.NDArray[np.float32]

LOW_SCORE = 0.3
"""The score of a person is low below this: the mean of the keypoints', or the box's where there are none."""

_VISIBLE_SCORE = 0.2
_FEWEST_VISIBLE = 3
_RECENT_S = 0.12
"""Poses are compared over this time; after longer, a person may have turned."""
_LOW_OKS = 0.25
_MARGIN = 0.15
"""By so much more like another person than like oneself: the ids have been swapped."""
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
        other: The id of the frame before that the person resembles more; None where there is none.
        oks: OKS with the id's pose before; NaN where the poses cannot be compared.
        speed_hps: Speed of the box's centre since then, in body heights per second.
    """

    frame: int
    track_id: int
    other: int | None
    oks: float
    speed_hps: float


class _LastSeen:
    """The last pose of every id, a row each."""

    def __init__(self, num_keypoints: int) -> None:
        self.row_of: dict[int, int] = {}
        self.ids: list[int] = []
        self._num_keypoints = num_keypoints
        self._make(64)

    def _make(self, size: int) -> None:
        self.xy = np.zeros((size, self._num_keypoints, 2), np.float32)
        self.visible = np.zeros((size, self._num_keypoints), np.bool_)
        self.boxes = np.zeros((size, 4), np.float32)
        self.areas = np.ones(size, np.float32)
        self.times_s = np.full(size, -np.inf)

    def find_rows(self, ids: list[int]) -> npt.NDArray[np.int64]:
        """The row of each id; new ids get new ones."""
        for track_id in ids:
            if track_id not in self.row_of:
                self.row_of[track_id] = len(self.ids)
                self.ids.append(track_id)
        if len(self.ids) > len(self.areas):
            old = self.xy, self.visible, self.boxes, self.areas, self.times_s
            self._make(2 * len(self.ids))
            for before, now in zip(
                old, (self.xy, self.visible, self.boxes, self.areas, self.times_s), strict=True
            ):
                now[: len(before)] = before
        return np.array([self.row_of[track_id] for track_id in ids], np.int64)


class SuspectFinder:
    """Finds jumps of ids, from frame to frame; memory grows with the ids.

    Args:
        sigmas: (K,), of the skeleton.
    """

    def __init__(self, sigmas: npt.ArrayLike) -> None:
        self._sigmas = np.asarray(sigmas, np.float32)
        self._last = _LastSeen(len(self._sigmas))
        self._here: npt.NDArray[np.int64] = np.zeros(0, np.int64)

    def look(self, frame: int, time_s: float, people: Instances) -> list[Suspect]:
        """Compare the people of the next frame with where they were last.

        Args:
            frame: The frame.
            time_s: Its time.
            people: Its people.
        """
        if people.track_ids is None or not len(people):
            self._here = np.zeros(0, np.int64)
            return []
        tracked = np.flatnonzero(people.track_ids != UNTRACKED)
        ids = people.track_ids[tracked].tolist()
        num_known = len(self._last.ids)
        rows = self._last.find_rows(ids)
        boxes = complete_boxes(people)[tracked]
        xy, visible = self._take_points(people, tracked)
        areas = compute_pose_areas(boxes, xy, visible)
        found = []
        old = np.flatnonzero(rows < num_known)
        if len(old):
            passed_s = time_s - self._last.times_s[rows[old]]
            speeds, limits = self._measure_speed(boxes[old], rows[old], passed_s)
            oks = self._compare(xy[old], visible[old], areas[old], rows[old], passed_s)
            for i, speed, limit, own in zip(old.tolist(), speeds, limits, oks, strict=True):
                other = self._find_other(xy[i], visible[i], areas[i], rows[i], own)
                if other is not None or speed > limit or own < _LOW_OKS:
                    found.append(Suspect(frame, ids[i], other, float(own), float(speed)))
        last = self._last
        last.xy[rows], last.visible[rows], last.boxes[rows], last.areas[rows] = xy, visible, boxes, areas
        last.times_s[rows] = time_s
        self._here = rows
        return found

    def _take_points(
        self, people: Instances, rows: npt.NDArray[np.int64]
    ) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        K = len(self._sigmas)
        if people.keypoints_xy is None:
            return np.zeros((len(rows), K, 2), np.float32), np.zeros((len(rows), K), np.bool_)
        xy = people.keypoints_xy[rows]
        if people.keypoint_scores is None:
            return xy, np.ones(xy.shape[:2], np.bool_)
        return xy, people.keypoint_scores[rows] > _VISIBLE_SCORE

    def _measure_speed(
        self, boxes: FloatArray, rows: npt.NDArray[np.int64], passed_s: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Speeds of people, and from where on each is too fast, (n,) body heights per second."""
        before = self._last.boxes[rows]
        heights = np.maximum(np.maximum(boxes[:, 3] - boxes[:, 1], before[:, 3] - before[:, 1]), 1)
        moved = np.linalg.norm((boxes[:, :2] + boxes[:, 2:] - before[:, :2] - before[:, 2:]) / 2, axis=1)
        passed_s = np.maximum(passed_s, 1e-3)
        return moved / heights / passed_s, _FASTEST_HPS + _JITTER_H / passed_s

    def _compare(
        self,
        xy: FloatArray,
        visible: npt.NDArray[np.bool_],
        areas: FloatArray,
        rows: npt.NDArray[np.int64],
        passed_s: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float64]:
        """OKS of people with where they were last, (n,); NaN after a long time, and with few keypoints."""
        last = self._last
        offsets = xy - last.xy[rows]
        scale = (areas + last.areas[rows])[:, None] * 4 * self._sigmas**2
        both = visible & last.visible[rows]
        likeness = np.exp(-(offsets**2).sum(axis=2) / scale) * both
        count = both.sum(axis=1)
        oks = likeness.sum(axis=1) / np.maximum(count, 1)
        return np.where((count >= _FEWEST_VISIBLE) & (passed_s <= _RECENT_S), oks, math.nan)

    def _find_other(
        self, xy: FloatArray, visible: npt.NDArray[np.bool_], area: float, row: int, own: float
    ) -> int | None:
        """Who of the frame before resembles a person clearly more than their id does; None if nobody."""
        if not own < 1 - _MARGIN:
            return None
        last = self._last
        others = self._here[self._here != row]
        if not len(others):
            return None
        oks = compute_oks(
            xy[None],
            visible[None],
            last.xy[others],
            last.visible[others],
            areas_px2=np.array([area], np.float32),
            others_areas_px2=last.areas[others],
            sigmas=self._sigmas,
        )[0]
        best = int(oks.argmax())
        return last.ids[int(others[best])] if oks[best] > max(own + _MARGIN, _LOW_OKS) else None


def find_low(people: Instances) -> npt.NDArray[np.bool_]:
    """Who has a low score, (N,)."""
    if people.keypoint_scores is not None:
        return np.asarray(people.keypoint_scores.mean(axis=1) < LOW_SCORE)
    if people.box_scores is not None:
        return np.asarray(people.box_scores < LOW_SCORE)
    return np.zeros(len(people), np.bool_)
