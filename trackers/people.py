"""The people of one frame, as a tracker takes them and gives them back."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_SCORED_KEYPOINT = 0.2


@dataclass(frozen=True, eq=False)
class People:
    """N people, one row each.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels; all zeros where there is none.
        box_scores: (N,) float32.
        keypoints_xy: (N, K, 2) float32, pixels. A keypoint that is not finite counts as not visible.
        keypoint_scores: (N, K) float32.

    Raises:
        ValueError: The columns do not fit together, or a box or score is not finite.
    """

    boxes_xyxy: FloatArray
    box_scores: FloatArray
    keypoints_xy: FloatArray
    keypoint_scores: FloatArray

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, np.asarray(getattr(self, field.name), np.float32))
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

    def __getitem__(self, rows: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> People:
        """Select rows of every column by indices (M,) or a mask (N,)."""
        return People(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def person_scores(self) -> FloatArray:
        """Box score times the mean of the keypoint scores above 0.2 (HRNet, its public evaluation), (N,)."""
        sure = self.keypoint_scores > _SCORED_KEYPOINT
        sums = np.where(sure, self.keypoint_scores, 0).sum(axis=1)
        scores: FloatArray = (self.box_scores * sums / np.maximum(sure.sum(axis=1), 1)).astype(np.float32)
        return scores

    def find_visible(self, min_keypoint_score: float) -> npt.NDArray[np.bool_]:
        """Keypoints that are finite and score at least so much, (N, K)."""
        finite = np.isfinite(self.keypoints_xy).all(axis=2)
        visible: npt.NDArray[np.bool_] = finite & (self.keypoint_scores >= min_keypoint_score)
        return visible


@dataclass(frozen=True, eq=False)
class TrackedPeople:
    """The people of one frame with their ids.

    Attributes:
        people: N people: detections that were kept, in the order given, then people found by propagation.
        track_ids: (N,) int64 from 1 up, each once.
        rows: (N,) int64, row of each in the people given; -1 for a propagated one.
    """

    people: People
    track_ids: IntArray
    rows: IntArray


def join_people(first: People, second: People) -> People:
    """Put the rows of `second` behind those of `first`."""
    return People(*(np.concatenate([getattr(first, f.name), getattr(second, f.name)]) for f in fields(People)))
