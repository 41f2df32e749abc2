"""The newest pose of each track, moved along by the camera's motion and the person's own velocity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from trackers.clock import FRAME_S
from trackers.people import People
from trackers.track_ids import are_among

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_KEPT = 0.85
"""Weight of the old velocity against the newly measured one, after one frame of 1/25 s, as all of these."""
_SLOWDOWN = 0.95
"""Factor of the velocity per frame in which the person is not seen."""
_FASTEST_HEIGHTS = 0.15
"""Largest velocity, in box heights per frame."""
_LONGEST_STEP_S = 0.5
"""A longer step is walked in steps of this length, so that people slow down in it as in several frames."""
_MOST_STEPS = 20
"""After 10 s everybody stands still."""
_SHORTEST_STEP_S = 0.002
"""In less time no velocity is measured: of two frames that arrive together, one was late."""


class NewestPoses:
    """Where each track's newest pose would be now, if the person kept moving as before.

    The camera's motion moves the pose, and turns and scales the velocity. The velocity, the person's own motion
    against the background, moves it on.

    Args:
        num_keypoints: K.

    Attributes:
        track_ids: (M,) int64, ascending.
        people: M newest poses, moved by the camera's motion only.
        areas_px2: (M,) float32, areas for OKS.
        velocities_xy: (M, 2) float32, pixels per second in the current image.
        shifts_xy: (M, 2) float32, pixels by which each person should have moved against the background since.
        unseen_s: (M,) float32, time since each was seen.
        seen_times: (M,) int64, how often each was seen.
    """

    def __init__(self, num_keypoints: int) -> None:
        self._num_keypoints = num_keypoints
        self.clear()

    def clear(self) -> None:
        """Forget all tracks."""
        self.people = People.empty(self._num_keypoints)
        self.track_ids = np.zeros(0, np.int64)
        self.areas_px2 = np.zeros(0, np.float32)
        self.velocities_xy = np.zeros((0, 2), np.float32)
        self.shifts_xy = np.zeros((0, 2), np.float32)
        self.unseen_s = np.zeros(0, np.float32)
        self.seen_times = np.zeros(0, np.int64)

    def start_frame(self, step_s: float, kept_ids: IntArray) -> None:
        """Move every kept track on by its velocity.

        Args:
            step_s: Time since the last frame.
            kept_ids: The tracks that are not forgotten.
        """
        self._select(are_among(self.track_ids, kept_ids))
        num_whole = min(int(max(step_s - 1e-3, 0) / _LONGEST_STEP_S), _MOST_STEPS)
        for _ in range(num_whole):
            self._walk(_LONGEST_STEP_S)
        self._walk(step_s - num_whole * _LONGEST_STEP_S if num_whole else step_s)

    def _walk(self, step_s: float) -> None:
        slowed = np.power(_SLOWDOWN, self.unseen_s / FRAME_S, dtype=np.float32)
        self.shifts_xy = self.shifts_xy + self.velocities_xy * (slowed * np.float32(step_s))[:, None]
        self.unseen_s = self.unseen_s + np.float32(step_s)

    def move(self, background: FloatArray) -> None:
        """Move every pose by the camera's motion, an affine map (2, 3)."""
        linear, shift = background[:, :2], background[:, 2]
        self.people = replace(
            self.people,
            keypoints_xy=self.people.keypoints_xy @ linear.T + shift,
            boxes_xyxy=move_boxes(self.people.boxes_xyxy, background),
        )
        self.velocities_xy = self.velocities_xy @ linear.T
        self.shifts_xy = self.shifts_xy @ linear.T

    def rescale(self, ratio_xy: FloatArray) -> None:
        """Bring everything into the pixels of an image of another size."""
        self.move(np.concatenate([np.diag(ratio_xy), np.zeros((2, 1))], axis=1).astype(np.float32))
        self.areas_px2 = self.areas_px2 * ratio_xy.prod()

    def predict(self) -> People:
        """The M tracks where they are expected."""
        points = self.people.keypoints_xy + self.shifts_xy[:, None]
        return replace(self.people, keypoints_xy=points, boxes_xyxy=self.predict_boxes())

    def predict_boxes(self) -> FloatArray:
        """The boxes (M, 4) of the tracks where they are expected."""
        return self.people.boxes_xyxy + np.tile(self.shifts_xy, 2)

    def add(self, people: People, track_ids: IntArray) -> None:
        """Take the people of this frame as the newest of their tracks, and measure the velocities.

        Args:
            people: N people.
            track_ids: (N,), each once.
        """
        order = np.argsort(track_ids)
        people, track_ids = people[order], track_ids[order]
        velocities_xy = np.zeros((len(people), 2), np.float32)
        seen_times = np.ones(len(people), np.int64)
        is_known = are_among(track_ids, self.track_ids)
        known = np.searchsorted(self.track_ids, track_ids[is_known])
        # A sighting without time to the one before counts for none.
        has_passed = self.unseen_s[known] >= _SHORTEST_STEP_S
        seen_times[is_known] = self.seen_times[known] + has_passed
        velocities_xy[is_known] = self._measure_velocities(people[is_known], known)

        self._select(~are_among(self.track_ids, track_ids))
        ids = np.concatenate([self.track_ids, track_ids])
        order = np.argsort(ids)
        zeros = np.zeros((len(people), 2), np.float32)
        self.track_ids = ids[order]
        self.people = People.concatenate([self.people, people])[order]
        self.areas_px2 = np.concatenate([self.areas_px2, people.areas_px2])[order]
        self.velocities_xy = np.concatenate([self.velocities_xy, velocities_xy])[order]
        self.shifts_xy = np.concatenate([self.shifts_xy, zeros])[order]
        self.unseen_s = np.concatenate([self.unseen_s, zeros[:, 0]])[order]
        self.seen_times = np.concatenate([self.seen_times, seen_times])[order]

    def _measure_velocities(self, people: People, known: IntArray) -> FloatArray:
        """New velocities of people whose tracks are rows `known`, (N, 2): old and measured ones, weighted."""
        passed_s = self.unseen_s[known]
        both = people.visible & self.people.visible[known]
        moved = np.where(both[..., None], people.keypoints_xy - self.people.keypoints_xy[known], 0)
        shifts_xy = moved.sum(axis=1) / np.maximum(both.sum(axis=1), 1)[:, None]
        measured = shifts_xy / np.maximum(passed_s, 1e-3)[:, None]
        # The first measurement counts in full, the second half, and so on.
        weights = np.maximum(1 - np.power(_KEPT, passed_s / FRAME_S), 1 / self.seen_times[known])
        # Without a common keypoint, or without time, there is no measurement.
        weights = np.where(both.any(axis=1) & (passed_s >= _SHORTEST_STEP_S), weights, 0)[:, None]
        velocities = self.velocities_xy[known] * (1 - weights) + measured * weights
        heights_px = people.boxes_xyxy[:, 3] - people.boxes_xyxy[:, 1]
        heights_px = np.maximum(heights_px, np.sqrt(people.areas_px2))
        speeds = np.linalg.norm(velocities, axis=1)
        fastest = _FASTEST_HEIGHTS / FRAME_S * heights_px
        limited: FloatArray = velocities * (np.minimum(speeds, fastest) / np.maximum(speeds, 1e-6))[:, None]
        return limited.astype(np.float32)

    def _select(self, rows: npt.NDArray[np.bool_]) -> None:
        if rows.all():
            return
        self.people, self.track_ids = self.people[rows], self.track_ids[rows]
        self.areas_px2, self.velocities_xy = self.areas_px2[rows], self.velocities_xy[rows]
        self.shifts_xy, self.unseen_s = self.shifts_xy[rows], self.unseen_s[rows]
        self.seen_times = self.seen_times[rows]


def move_boxes(boxes_xyxy: FloatArray, affine: FloatArray) -> FloatArray:
    """Move boxes by an affine map: their centres are mapped, their sizes scaled by its mean scale.

    Args:
        boxes_xyxy: (N, 4), pixels.
        affine: (2, 3), of points as columns.

    Returns:
        (N, 4) float32.
    """
    linear, shift = affine[:, :2], affine[:, 2]
    centres = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2 @ linear.T + shift
    scale = np.sqrt(abs(float(np.linalg.det(linear.astype(np.float64)))))
    halves = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]) * np.float32(scale / 2)
    return np.concatenate([centres - halves, centres + halves], axis=1).astype(np.float32)
