"""The tracker's memory: ids, and the poses of the last frames, moved along by flow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from trackers.clock import Step
from trackers.config import Gap
from trackers.flow import move_points
from trackers.newest import NewestPoses
from trackers.nms import compute_iou
from trackers.people import People
from trackers.track_ids import are_among

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class PoseQueue:
    """The poses of the last frames with their track ids, each where flow says it would be now.

    A person who is missed for no longer than the longest gap is still here when they come back: the queue holds
    the frame before the gap.

    Args:
        num_keypoints: K.
        longest_gap: How long a person may be missed.
        newest_only: Whether to hold only the newest pose of each track. Flow carries older ones astray while
            something passes in front of the person.

    Attributes:
        people: Q poses, oldest first. Their keypoints and boxes are moved along; scores stay as they were.
        areas_px2: (Q,) float32, areas that the people had when they were seen, for OKS.
        track_ids: (Q,) int64.
        ages: (Q,) int64, how many frames ago each was seen: 1 = in the last frame.
        missed_s: (Q,) float32, time from the first frame after each to the current one, as far as somebody
            looked (`Step.watched_s`).
        propagated_s: (Q,) float32, for how long each had been propagated without a detection, likewise.
        newest: The newest pose of each track, where the camera's motion and its velocity move it.
    """

    def __init__(self, num_keypoints: int, longest_gap: Gap, *, newest_only: bool = False) -> None:
        self._num_keypoints = num_keypoints
        self._longest_gap = longest_gap
        self._newest_only = newest_only
        self._next_id = 1
        self.newest = NewestPoses(num_keypoints)
        self.clear()

    def clear(self) -> None:
        """Drop all tracks; their ids are not given out again."""
        self.people = People.empty(self._num_keypoints)
        self.areas_px2 = np.zeros(0, np.float32)
        self.track_ids = np.zeros(0, np.int64)
        self.ages = np.zeros(0, np.int64)
        self.missed_s = np.zeros(0, np.float32)
        self.propagated_s = np.zeros(0, np.float32)
        self.newest.clear()

    def start_frame(self, step: Step) -> None:
        """Age every pose by a frame and drop those that are too old.

        Args:
            step: Time since the last frame.
        """
        ages = self.ages + 1
        missed_s = self.missed_s + np.where(ages > 1, np.float32(step.watched_s), np.float32(0))
        kept = self._longest_gap.allows(ages - 1, missed_s)
        self.ages, self.missed_s = ages, missed_s
        self._select(kept)
        self.newest.start_frame(step.step_s, kept_ids=self.track_ids)

    def move(self, flow: FloatArray, scale_xy: tuple[float, float], background: FloatArray) -> None:
        """Move every pose by the motion of this frame.

        Args:
            flow: See `trackers.flow.move_points`.
            scale_xy: Likewise.
            background: (2, 3), see `trackers.flow.estimate_background_motion`.
        """
        moved = move_points(self.people.keypoints_xy, flow, scale_xy)
        is_seen = self.people.visible[..., None]
        shifts = np.where(is_seen, moved - self.people.keypoints_xy, 0).sum(axis=1)
        shifts = shifts / np.maximum(is_seen.sum(axis=1), 1)
        boxes = self.people.boxes_xyxy + np.tile(shifts, 2)
        self.people = replace(self.people, keypoints_xy=moved, boxes_xyxy=boxes)
        self.newest.move(background)

    def rescale(self, ratio_xy: tuple[float, float]) -> None:
        """Bring every pose into the pixels of an image of another size."""
        ratio = np.asarray(ratio_xy, np.float32)
        self.people = replace(
            self.people,
            boxes_xyxy=self.people.boxes_xyxy * np.tile(ratio, 2),
            keypoints_xy=self.people.keypoints_xy * ratio,
        )
        self.areas_px2 = self.areas_px2 * ratio.prod()
        self.newest.rescale(ratio)

    def compare(self, people: People, sigmas: FloatArray, min_oks: float) -> tuple[FloatArray, IntArray]:
        """Compare people with tracks where flow leads: the OKS with the most similar of each track's poses.

        Args:
            people: N people.
            sigmas: (K,).
            min_oks: As in `trackers.oks.compute_oks`.

        Returns:
            (N, M) float32, and the tracks' ids (M,), ascending.
        """
        if len(self.track_ids) == 0:
            return np.zeros((len(people), 0), np.float32), np.zeros(0, np.int64)
        order = np.argsort(self.track_ids, kind="stable")
        ids, starts = np.unique(self.track_ids[order], return_index=True)
        areas = self.areas_px2[order]
        oks = people.compare(self.people[order], sigmas, others_areas_px2=areas, min_oks=min_oks)
        return np.maximum.reduceat(oks, starts, axis=1), ids

    def compare_with_predicted(self, people: People, sigmas: FloatArray, min_oks: float) -> FloatArray:
        """The same where the camera's motion and the tracks' velocities lead, (N, M)."""
        areas = self.newest.areas_px2
        return people.compare(self.newest.predict(), sigmas, others_areas_px2=areas, min_oks=min_oks)

    def compare_boxes(self, people: People) -> FloatArray:
        """Compare the boxes of people with those of tracks, where flow or velocity leads: IoU (N, M), by id."""
        _, last = np.unique(self.track_ids[::-1], return_index=True)
        moved = self.people.boxes_xyxy[len(self.track_ids) - 1 - last]
        predicted = self.newest.predict_boxes()
        return np.maximum(compute_iou(people.boxes_xyxy, moved), compute_iou(people.boxes_xyxy, predicted))

    def are_overlapped(self, min_iou: float) -> BoolArray:
        """Which tracks another one overlaps where velocity leads, (M,) by id."""
        boxes = self.newest.predict_boxes()
        iou = compute_iou(boxes, boxes)
        np.fill_diagonal(iou, 0)
        return np.asarray(iou.max(axis=1, initial=0) > min_iou)

    def add(self, people: People, track_ids: IntArray, propagated_s: FloatArray) -> None:
        """Queue the people of this frame.

        Args:
            people: N people; keypoints that are not visible never will be.
            track_ids: (N,), from `make_ids` or from the queue.
            propagated_s: (N,), for how long each has been propagated; 0 for a detection.
        """
        if self._newest_only:
            self._select(~are_among(self.track_ids, track_ids))
        self.people = People.concatenate([self.people, people])
        self.areas_px2 = np.concatenate([self.areas_px2, people.areas_px2])
        self.track_ids = np.concatenate([self.track_ids, track_ids])
        self.ages = np.concatenate([self.ages, np.zeros(len(people), np.int64)])
        self.missed_s = np.concatenate([self.missed_s, np.zeros(len(people), np.float32)])
        self.propagated_s = np.concatenate([self.propagated_s, propagated_s])
        self.newest.add(people, track_ids)

    def _select(self, rows: BoolArray) -> None:
        self.people, self.areas_px2 = self.people[rows], self.areas_px2[rows]
        self.track_ids, self.ages = self.track_ids[rows], self.ages[rows]
        self.missed_s, self.propagated_s = self.missed_s[rows], self.propagated_s[rows]

    def make_ids(self, count: int) -> IntArray:
        """Make new ids, (count,), each higher than all before."""
        ids = np.arange(self._next_id, self._next_id + count, dtype=np.int64)
        self._next_id += count
        return ids

    def reserve_ids(self, ids: IntArray) -> None:
        """Make later new ids higher than these."""
        self._next_id = max(self._next_id, int(ids.max(initial=0)) + 1)
