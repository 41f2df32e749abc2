"""The tracker's memory: ids, and the poses of the last frames, moved along by flow."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from trackers.flow import move_points
from trackers.oks import compute_oks, compute_pose_areas
from trackers.people import People

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Poses:
    """N poses as OKS compares them.

    Attributes:
        keypoints_xy: (N, K, 2), pixels.
        visible: (N, K).
        areas_px2: (N,), see `trackers.oks.compute_pose_areas`.
    """

    keypoints_xy: FloatArray
    visible: BoolArray
    areas_px2: FloatArray

    def __len__(self) -> int:
        return len(self.keypoints_xy)

    def __getitem__(self, rows: IntArray | BoolArray) -> Poses:
        """Select rows of every column by indices (M,) or a mask (N,)."""
        return Poses(self.keypoints_xy[rows], self.visible[rows], self.areas_px2[rows])

    def compare(self, others: Poses, sigmas: FloatArray) -> FloatArray:
        """OKS with every other pose, (N, M)."""
        return compute_oks(
            self.keypoints_xy,
            self.visible,
            others.keypoints_xy,
            others.visible,
            areas_px2=self.areas_px2,
            others_areas_px2=others.areas_px2,
            sigmas=sigmas,
        )


def find_poses(people: People, min_keypoint_score: float) -> Poses:
    """Take what OKS needs from people, N to N."""
    visible = people.find_visible(min_keypoint_score)
    areas = compute_pose_areas(people.boxes_xyxy, people.keypoints_xy, visible)
    return Poses(people.keypoints_xy, visible, areas)


class PoseQueue:
    """The poses of the last frames with their track ids, each where flow says it would be now.

    A person who is missed for up to `queue_frames` frames is still here when they come back: the queue holds
    the frame before those.

    Args:
        num_keypoints: K.
        queue_frames: How many frames a person may be missed.

    Attributes:
        poses: Q poses, oldest first.
        track_ids: (Q,) int64.
        ages: (Q,) int64, how many frames ago each was seen: 1 = in the last frame.
        propagated: (Q,) int64, for how many frames in a row each had been found by propagation alone.
    """

    def __init__(self, num_keypoints: int, queue_frames: int) -> None:
        self._num_keypoints = num_keypoints
        self._oldest_age = queue_frames + 1
        self._next_id = 1
        self.clear()

    def clear(self) -> None:
        """Forget everybody, for good: their ids do not come back."""
        K = self._num_keypoints
        empty = np.zeros(0, np.float32)
        self.poses = Poses(np.zeros((0, K, 2), np.float32), np.zeros((0, K), np.bool_), empty)
        self.track_ids = np.zeros(0, np.int64)
        self.ages = np.zeros(0, np.int64)
        self.propagated = np.zeros(0, np.int64)

    def start_frame(self) -> None:
        """Age every pose by a frame and drop those that are too old."""
        kept = self.ages + 1 <= self._oldest_age
        self.poses = self.poses[kept]
        self.track_ids, self.propagated = self.track_ids[kept], self.propagated[kept]
        self.ages = self.ages[kept] + 1

    def move(self, flow: FloatArray, scale_xy: tuple[float, float]) -> None:
        """Move every pose by the flow of this frame; see `trackers.flow.move_points`."""
        moved = move_points(self.poses.keypoints_xy, flow, scale_xy)
        self.poses = Poses(moved, self.poses.visible, self.poses.areas_px2)

    def rescale(self, ratio_xy: tuple[float, float]) -> None:
        """Bring every pose into the pixels of an image of another size."""
        ratio = np.asarray(ratio_xy, np.float32)
        scaled = self.poses.keypoints_xy * ratio
        self.poses = Poses(scaled, self.poses.visible, self.poses.areas_px2 * ratio.prod())

    def compare(self, poses: Poses, sigmas: FloatArray) -> tuple[FloatArray, IntArray]:
        """Compare poses with tracks: the OKS with the most similar of each track's queued poses.

        Args:
            poses: N poses.
            sigmas: (K,).

        Returns:
            (N, M) float32, and the tracks' ids (M,), ascending.
        """
        if len(self.track_ids) == 0:
            return np.zeros((len(poses), 0), np.float32), np.zeros(0, np.int64)
        order = np.argsort(self.track_ids, kind="stable")
        ids, starts = np.unique(self.track_ids[order], return_index=True)
        oks = poses.compare(self.poses[order], sigmas)
        return np.maximum.reduceat(oks, starts, axis=1), ids

    def add(self, poses: Poses, track_ids: IntArray, propagated: IntArray) -> None:
        """Remember the people of this frame.

        Args:
            poses: N poses.
            track_ids: (N,), from `make_ids` or from the queue.
            propagated: (N,), for how many frames in a row each was found by propagation alone.
        """
        columns = [(getattr(self.poses, f.name), getattr(poses, f.name)) for f in fields(Poses)]
        self.poses = Poses(*(np.concatenate(column) for column in columns))
        self.track_ids = np.concatenate([self.track_ids, track_ids])
        self.ages = np.concatenate([self.ages, np.zeros(len(poses), np.int64)])
        self.propagated = np.concatenate([self.propagated, propagated])

    def make_ids(self, count: int) -> IntArray:
        """Give out ids that nobody has had before, (count,)."""
        ids = np.arange(self._next_id, self._next_id + count, dtype=np.int64)
        self._next_id += count
        return ids

    def reserve_ids(self, ids: IntArray) -> None:
        """Never give out these ids, nor lower ones."""
        self._next_id = max(self._next_id, int(ids.max(initial=0)) + 1)
