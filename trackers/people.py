"""The people of one frame, as a tracker takes them and gives them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from trackers.oks import compute_oks, compute_pose_areas

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_SCORED_KEYPOINT = 0.2
_COLUMNS = ("boxes_xyxy", "box_scores", "keypoints_xy", "keypoint_scores")


@dataclass(frozen=True, eq=False)
class People:
    """N people, one row each.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels; all zeros where there is none.
        box_scores: (N,) float32.
        keypoints_xy: (N, K, 2) float32, pixels. A keypoint that is not finite counts as not visible; where
            all are NaN, the pose has not been estimated.
        keypoint_scores: (N, K) float32.

    Raises:
        ValueError: The columns do not fit together, or a box or score is not finite.
    """

    boxes_xyxy: FloatArray
    box_scores: FloatArray
    keypoints_xy: FloatArray
    keypoint_scores: FloatArray

    def __post_init__(self) -> None:
        for name in _COLUMNS:
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float32))
        N, K = len(self.boxes_xyxy), self.keypoints_xy.shape[1] if self.keypoints_xy.ndim == 3 else 0
        shapes = {
            "boxes_xyxy": (N, 4),
            "box_scores": (N,),
            "keypoints_xy": (N, K, 2),
            "keypoint_scores": (N, K),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value.shape != shape:
                raise ValueError(f"People.{name}: expected shape {shape}, got {value.shape}")
            if name != "keypoints_xy" and not np.isfinite(value).all():
                raise ValueError(f"People.{name}: expected finite numbers, got NaN or infinity")

    def __len__(self) -> int:
        return len(self.boxes_xyxy)

    def __getitem__(self, rows: IntArray | BoolArray) -> People:
        """Select rows of every column by indices (M,) or a mask (N,)."""
        return People(*(getattr(self, name)[rows] for name in _COLUMNS))

    @classmethod
    def empty(cls, num_keypoints: int) -> People:
        """Nobody, with K keypoints each."""
        K = num_keypoints
        return cls(*(np.zeros(shape, np.float32) for shape in ((0, 4), (0,), (0, K, 2), (0, K))))

    @classmethod
    def concatenate(cls, parts: Sequence[People]) -> People:
        """Put the rows of one or more parts behind one another."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS))

    @property
    def person_scores(self) -> FloatArray:
        """Box score times the mean of the keypoint scores above 0.2 (HRNet, its public evaluation), (N,)."""
        num_scored = np.maximum((self.keypoint_scores > _SCORED_KEYPOINT).sum(axis=1), 1)
        scores: FloatArray = (self.box_scores * self._sum_scores() / num_scored).astype(np.float32)
        return scores

    @property
    def visible_scores(self) -> FloatArray:
        """Mean of the keypoint scores above 0.2 times the fraction of the keypoints that have one, (N,)."""
        scores: FloatArray = (self._sum_scores() / max(self.keypoint_scores.shape[1], 1)).astype(np.float32)
        return scores

    def _sum_scores(self) -> FloatArray:
        is_scored = self.keypoint_scores > _SCORED_KEYPOINT
        return np.asarray(np.where(is_scored, self.keypoint_scores, 0).sum(axis=1), np.float32)

    @cached_property
    def visible(self) -> BoolArray:
        """Keypoints that are finite, (N, K)."""
        return np.asarray(np.isfinite(self.keypoints_xy).all(axis=2), np.bool_)

    @cached_property
    def areas_px2(self) -> FloatArray:
        """The scale of each person in OKS, (N,); see `trackers.oks.compute_pose_areas`."""
        return compute_pose_areas(self.boxes_xyxy, self.keypoints_xy, self.visible)

    @property
    def lack_poses(self) -> BoolArray:
        """Whose poses have not been estimated: none of their keypoints is a number, (N,)."""
        return np.asarray(np.isnan(self.keypoints_xy).all(axis=(1, 2)), np.bool_)

    def with_poses(self, rows: IntArray, keypoints_xy: FloatArray, keypoint_scores: FloatArray) -> People:
        """The same people with other poses in some rows (R,): keypoints (R, K, 2) and their scores (R, K)."""
        points, scores = self.keypoints_xy.copy(), self.keypoint_scores.copy()
        points[rows], scores[rows] = keypoints_xy, keypoint_scores
        return replace(self, keypoints_xy=points, keypoint_scores=scores)

    def hide_keypoints(self, min_score: float) -> People:
        """The same people with NaN for keypoints that score less or are infinite, so that none is visible."""
        is_weak = (self.keypoint_scores < min_score) | ~self.visible
        return replace(self, keypoints_xy=np.where(is_weak[..., None], np.float32(np.nan), self.keypoints_xy))

    def compare(
        self,
        others: People,
        sigmas: FloatArray,
        *,
        others_areas_px2: FloatArray | None = None,
        min_oks: float = 0.0,
    ) -> FloatArray:
        """Compare the visible keypoints with every other person's.

        Args:
            others: M people.
            sigmas: (K,), as in `trackers.oks.compute_oks`.
            others_areas_px2: (M,), instead of the others' own.
            min_oks: As in `trackers.oks.compute_oks`.

        Returns:
            OKS (N, M).
        """
        return compute_oks(
            self.keypoints_xy,
            self.visible,
            others.keypoints_xy,
            others.visible,
            areas_px2=self.areas_px2,
            others_areas_px2=others.areas_px2 if others_areas_px2 is None else others_areas_px2,
            sigmas=sigmas,
            min_oks=min_oks,
        )


@dataclass(frozen=True, eq=False)
class TrackedPeople:
    """The people of one frame with their ids: R detections that were kept, then P propagated people.

    Attributes:
        rows: (R,) int64, rows of the detections that were kept, ascending.
        detected: These R people, with the poses that were estimated for the tracker's sake.
        propagated: P people that matched no detection, estimated where flow has moved them.
        track_ids: (R + P,) int64 from 1 up, each once.
        background_motion: (2, 3) float32, the camera's motion since the last frame: what was at point p is at
            m[:, :2] @ p + m[:, 2]. The identity without images; `None` for the first frame and across a cut.
    """

    rows: IntArray
    detected: People
    propagated: People
    track_ids: IntArray
    background_motion: FloatArray | None
