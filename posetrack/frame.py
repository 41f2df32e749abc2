"""Frame and Instances: what flows through the pipeline, and the home of its conventions.

Coordinates
    Continuous pixels of the original image, x to the right and y down. (0, 0) is the top-left
    corner of the top-left pixel, whose centre is (0.5, 0.5); an image W pixels wide ends at x = W.
    Scaling an image by s scales every coordinate by s, with no half-pixel terms.
Boxes
    `xyxy` = left, top, right, bottom. A name says when it is another order (`xywh`).
Scores
    In [0, 1], higher is more certain.
Columns
    `None` = not computed; shape `(0, ...)` = computed, and nobody is here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ImageArray = npt.NDArray[np.uint8]

UNTRACKED = -1
"""The track id of a person whom no tracker has seen yet."""

_KEYPOINT_SCORE_FLOOR = 0.2

# Column -> (dtype, shape behind N); a letter must be the same size wherever it stands.
_COLUMNS: dict[str, tuple[type, tuple[str | int, ...]]] = {
    "boxes_xyxy": (np.float32, (4,)),
    "box_scores": (np.float32, ()),
    "keypoints_xy": (np.float32, ("K", 2)),
    "keypoint_scores": (np.float32, ("K",)),
    "smoothed_xy": (np.float32, ("K", 2)),
    "track_ids": (np.int64, ()),
    "masks": (np.bool_, ("H", "W")),
}


@dataclass(frozen=True, eq=False)
class Instances:
    """The people in one image: N rows, a closed set of columns.

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels.
        box_scores: (N,) float32, how sure the detector is of each person.
        keypoints_xy: (N, K, 2) float32, pixels, as the network gave them.
        keypoint_scores: (N, K) float32.
        smoothed_xy: (N, K, 2) float32, keypoints after temporal smoothing.
        track_ids: (N,) int64, `UNTRACKED` where no id was given.
        masks: (N, H, W) bool, in the image's own size.
        dense: N arrays (h, w, 3) of IUV over each person's box.

    Raises:
        ValueError: A column has another shape or number of rows than the others.
    """

    boxes_xyxy: FloatArray | None = None
    box_scores: FloatArray | None = None
    keypoints_xy: FloatArray | None = None
    keypoint_scores: FloatArray | None = None
    smoothed_xy: FloatArray | None = None
    track_ids: IntArray | None = None
    masks: BoolArray | None = None
    dense: tuple[npt.NDArray[Any], ...] | None = None

    def __post_init__(self) -> None:
        sizes: dict[str | int, int] = {}
        for name, (dtype, shape) in _COLUMNS.items():
            value = getattr(self, name)
            if value is None:
                continue
            value = np.asarray(value, dtype)
            object.__setattr__(self, name, value)
            expected = ("N", *shape)
            if value.ndim != len(expected):
                raise ValueError(f"Instances.{name}: expected shape {_show(expected)}, got {value.shape}")
            for letter, size in zip(expected, value.shape, strict=True):
                wanted = letter if isinstance(letter, int) else sizes.setdefault(letter, size)
                if size != wanted:
                    raise ValueError(
                        f"Instances.{name}: expected shape {_show(expected)} with {letter} = {wanted}, "
                        f"got {value.shape}"
                    )
        if self.dense is not None and len(self.dense) != sizes.setdefault("N", len(self.dense)):
            raise ValueError(f"Instances.dense: expected {sizes['N']} rows, got {len(self.dense)}")

    def __len__(self) -> int:
        return next((len(column) for column in self._columns().values()), 0)

    def __getitem__(self, rows: npt.ArrayLike | slice) -> Instances:
        """Select rows of every column.

        Args:
            rows: A slice, a boolean mask (N,), or integer indices (M,).

        Returns:
            The selected people, in the order asked for.
        """
        if not isinstance(rows, slice):
            rows = np.asarray(rows)
            if rows.size == 0 and rows.dtype != np.bool_:
                rows = rows.astype(np.int64)
            if rows.ndim != 1:
                raise IndexError("Instances are indexed by a slice, a mask (N,) or indices (M,)")
        selected: dict[str, Any] = {
            name: tuple(column[i] for i in np.arange(len(column))[rows]) if name == "dense" else column[rows]
            for name, column in self._columns().items()
        }
        return Instances(**selected)

    def _columns(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def person_scores(self) -> FloatArray:
        """Score of each person for ranking, (N,).

        The box score times the mean of the keypoint scores above 0.2 (HRNet, section 4.1, "Testing", and
        its public evaluation); the box score alone where no keypoints were estimated, and the mean alone
        where there is no box score.
        """
        scores = np.ones(len(self), np.float32) if self.box_scores is None else self.box_scores
        if self.keypoint_scores is None:
            return scores
        sure = self.keypoint_scores > _KEYPOINT_SCORE_FLOOR
        sums = np.where(sure, self.keypoint_scores, 0.0).sum(axis=1)
        means: FloatArray = (scores * sums / np.maximum(sure.sum(axis=1), 1)).astype(np.float32)
        return means

    @property
    def drawn_xy(self) -> FloatArray | None:
        """The keypoints to show and export: smoothed where smoothing ran, else as estimated, (N, K, 2)."""
        return self.keypoints_xy if self.smoothed_xy is None else self.smoothed_xy


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a video and the people in it.

    Attributes:
        index: Position in the source, from 0, counting every frame of the source.
        time_s: Presentation time in seconds from the first frame of the source.
        image: (H, W, 3) uint8, RGB, upright.
        instances: The people found so far.
    """

    index: int
    time_s: float
    image: ImageArray
    instances: Instances = Instances()

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the image in pixels."""
        return self.image.shape[1], self.image.shape[0]


def _show(shape: tuple[str | int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"
