"""Frame and Instances: what flows through the pipeline, and the home of its conventions.

Coordinates
    Continuous pixels of the original image, x to the right and y down. (0, 0) is the top-left
    corner of the top-left pixel, whose centre is (0.5, 0.5); an image W pixels wide ends at x = W.
    Scaling an image by s scales every coordinate by s, with no half-pixel terms.
Pixel indices
    OpenCV's, and the keypoints of COCO, PoseTrack and OpenPose: (0, 0) is the centre of the top-left
    pixel, so that an index is a continuous coordinate less 0.5. MATLAB's, and so MPII's, begin at (1, 1).
    `to_pixel_indices` and its like below are the only places that convert. Boxes, masks and polygons are
    continuous in every format, `poses.jsonl` and CSV are throughout. detectron2 reads COCO alike:
    https://detectron2.readthedocs.io/en/latest/modules/data_transforms.html, "Coordinates".
Boxes
    `xyxy` = left, top, right, bottom. A name says when it is another order (`xywh`).
Scores
    In [0, 1], higher is more certain.
Columns
    `None` = not computed; shape `(0, ...)` = computed, and nobody is here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from posetrack.notebook import show_frame, show_people
from posetrack.skeleton import Skeleton

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
ImageArray = npt.NDArray[np.uint8]
Points = TypeVar("Points", npt.NDArray[np.float32], npt.NDArray[np.float64])

UNTRACKED = -1
"""The track id of a person who is not tracked, or not yet."""

_KEYPOINT_SCORE_FLOOR = 0.2
_CENTRE_OF_FIRST_PIXEL = np.float32(0.5)

# Column -> (dtype, shape behind N); a letter must be the same size wherever it stands.
_COLUMNS: dict[str, tuple[type, tuple[str | int, ...]]] = {
    "boxes_xyxy": (np.float32, (4,)),
    "box_scores": (np.float32, ()),
    "keypoints_xy": (np.float32, ("K", 2)),
    "keypoint_scores": (np.float32, ("K",)),
    "smoothed_xy": (np.float32, ("K", 2)),
    "track_ids": (np.int64, ()),
    "is_interpolated": (np.bool_, ()),
    "masks": (np.bool_, ("H", "W")),
    "dense_rows": (np.int64, ()),
}
# Values of a column in the rows of people for whom it was not computed; 0 and False where it is not listed.
_BLANKS = {"track_ids": UNTRACKED, "dense_rows": -1}
NO_DENSE: ImageArray = np.zeros((0, 0, 3), np.uint8)
"""The dense pose of a person for whom none was computed."""


@dataclass(frozen=True, eq=False)
class Instances:
    """The people in one image: N rows, a closed set of columns.

    >>> people = Instances(boxes_xyxy=[[10, 20, 50, 90], [60, 20, 99, 88]], box_scores=[0.9, 0.4])
    >>> people
    Instances(2 people: boxes_xyxy, box_scores)
    >>> people[people.box_scores > 0.5].boxes_xyxy
    array([[10., 20., 50., 90.]], dtype=float32)

    Attributes:
        boxes_xyxy: (N, 4) float32, pixels.
        box_scores: (N,) float32, the detector's.
        keypoints_xy: (N, K, 2) float32, pixels, as the network gave them, or between two times that it did.
        keypoint_scores: (N, K) float32.
        smoothed_xy: (N, K, 2) float32, keypoints after temporal smoothing.
        track_ids: (N,) int64, `UNTRACKED` where no id was given.
        is_interpolated: (N,) bool, people whom no network found in this image: their boxes and keypoints lie
            between those before and after. Between two detections it is so marked until the pose is known.
        masks: (N, H, W) bool, in the image's own size.
        dense: N arrays (h, w, 3) uint8, dense poses: chart 1..24 or 0 for the background, 255 u and 255 v, over
            the whole pixels of the person's box (`models.densepose.pixel_box.find_pixels`), which may reach out
            of the image; `NO_DENSE`, (0, 0, 3), for people without one.
        dense_rows: (N,) int64, the place of each person's dense pose in the frame's part of the file that they
            are saved in; -1 where there is none.

    Raises:
        ValueError: A column has another shape or number of rows than the others.
    """

    boxes_xyxy: FloatArray | None = None
    box_scores: FloatArray | None = None
    keypoints_xy: FloatArray | None = None
    keypoint_scores: FloatArray | None = None
    smoothed_xy: FloatArray | None = None
    track_ids: IntArray | None = None
    is_interpolated: BoolArray | None = None
    masks: BoolArray | None = None
    dense: tuple[ImageArray, ...] | None = None
    dense_rows: IntArray | None = None

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
        if self.dense is not None:
            _check_dense(self.dense, sizes.get("N", len(self.dense)))

    def __len__(self) -> int:
        return next((len(column) for column in self._columns().values()), 0)

    def __repr__(self) -> str:
        count = "1 person" if len(self) == 1 else f"{len(self)} people"
        return f"Instances({count}: {', '.join(self._columns()) or 'no columns'})"

    def _repr_html_(self) -> str:
        return show_people(self)

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

    @classmethod
    def empty(cls, num_keypoints: int | None = None) -> Instances:
        """Nobody: no rows of boxes and box scores, nor of keypoints where there is a K.

        Args:
            num_keypoints: K; None where no poses are estimated.
        """
        boxes = cls(boxes_xyxy=np.zeros((0, 4), np.float32), box_scores=np.zeros(0, np.float32))
        if num_keypoints is None:
            return boxes
        K = num_keypoints
        return boxes.with_columns(
            keypoints_xy=np.zeros((0, K, 2), np.float32), keypoint_scores=np.zeros((0, K), np.float32)
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Instances]) -> Instances:
        """Put the people of several parts behind one another.

        The result has every column that one of the parts has. People of a part without it get blank rows:
        boxes, keypoints and scores are 0, masks and `is_interpolated` False, `dense` arrays empty (0, 0, 3),
        track ids `UNTRACKED`.
        Only `smoothed_xy` is not blank where there are keypoints: it repeats them, since `drawn_xy` shows it.

        Args:
            parts: Any number of people each; none at all gives `Instances()`.

        Raises:
            ValueError: The parts have different numbers of keypoints, or masks of different sizes.
        """
        names = [
            field.name for field in fields(cls) if any(getattr(part, field.name) is not None for part in parts)
        ]
        return cls(**{name: _join_column(name, parts) for name in names})

    def with_columns(self, **columns: Any) -> Instances:
        """The same people with these columns in place of their own, and the others as they are.

        Raises:
            TypeError: There is no such column.
            ValueError: A column does not fit the others.
        """
        return replace(self, **columns)

    def _columns(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def person_scores(self) -> FloatArray:
        """Score of each person for ranking, (N,).

        The box score times the mean of the keypoint scores above 0.2 (HRNet, section 4.1, "Testing", and its
        public evaluation); one of them alone where the other is not known.
        """
        scores = np.ones(len(self), np.float32) if self.box_scores is None else self.box_scores
        if self.keypoint_scores is None:
            return scores
        counted = self.keypoint_scores > _KEYPOINT_SCORE_FLOOR
        sums = np.where(counted, self.keypoint_scores, 0.0).sum(axis=1)
        means: FloatArray = (scores * sums / np.maximum(counted.sum(axis=1), 1)).astype(np.float32)
        return means

    @property
    def drawn_xy(self) -> FloatArray | None:
        """The keypoints to show and export: smoothed where smoothing ran, else as estimated, (N, K, 2)."""
        return self.keypoints_xy if self.smoothed_xy is None else self.smoothed_xy


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a video and the people in it.

    >>> import numpy as np
    >>> Frame(index=3, time_s=0.12, image=np.zeros((480, 640, 3), np.uint8))
    Frame(3 at 0.120 s, 640x480, Instances(0 people: no columns))

    A tracker's frames say what their keypoints are:

    >>> from posetrack import track
    >>> frame = next(track("docs/media/street.mp4", recipe="fast", start_s=3.2))
    >>> nose = frame.keypoint_names.index("nose")
    >>> frame.instances.keypoints_xy[0, nose].round().tolist()
    [425.0, 54.0]

    Attributes:
        index: Position in the source, from 0, counting every frame of the source.
        time_s: Presentation time in seconds from the first frame of the source.
        image: (H, W, 3) uint8, RGB, upright.
        instances: The people found so far.
        skeleton: What the K keypoints of `instances` are; None before the tracker, which sets it.
        is_restored: Whether the people come from saved results, ids included, so that no network and no
            tracker changes them.
        background_motion: (2, 3) float32, the camera's motion since the frame before: what was at point p is at
            m[:, :2] @ p + m[:, 2]. Set by the tracker; the identity where it looks at no images. None for the
            first frame and across a cut.
        faces_xyxy: (F, 4) float32, heads of those who were left out, hidden where faces are blurred; or None.
    """

    index: int
    time_s: float
    image: ImageArray
    instances: Instances = Instances()
    skeleton: Skeleton | None = None
    is_restored: bool = False
    background_motion: FloatArray | None = None
    faces_xyxy: FloatArray | None = None

    def __repr__(self) -> str:
        width, height = self.size_wh
        restored = ", restored" if self.is_restored else ""
        return f"Frame({self.index} at {self.time_s:.3f} s, {width}x{height}{restored}, {self.instances!r})"

    def _repr_html_(self) -> str:
        return show_frame(self)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the image in pixels."""
        return self.image.shape[1], self.image.shape[0]

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """Names of the K keypoints, in the order of `instances.keypoints_xy`; empty without a skeleton."""
        return () if self.skeleton is None else self.skeleton.names


def _check_dense(dense: Sequence[ImageArray], num_people: int) -> None:
    if len(dense) != num_people:
        raise ValueError(f"Instances.dense: expected {num_people} rows, got {len(dense)}")
    for pose in dense:
        if pose.ndim != 3 or pose.shape[2] != 3 or pose.dtype != np.uint8:
            raise ValueError(f"Instances.dense: expected (h, w, 3) uint8, got {pose.shape} {pose.dtype}")


def to_pixel_indices(points_xy: Points) -> Points:
    """Convert continuous pixels to indices of pixels, which count from the centre of the first one.

    Args:
        points_xy: (..., 2), or boxes (..., 4).

    Returns:
        The same shape and type, less 0.5.
    """
    return points_xy - _CENTRE_OF_FIRST_PIXEL


def from_pixel_indices(indices_xy: Points) -> Points:
    """Convert indices of pixels to continuous pixels; the inverse of `to_pixel_indices`."""
    return indices_xy + _CENTRE_OF_FIRST_PIXEL


def to_matlab_indices(indices_xy: Points) -> Points:
    """Convert indices of pixels, which count from 0, to those of MATLAB and MPII, which count from 1."""
    return indices_xy + 1


def to_xywh(boxes_xyxy: Points) -> Points:
    """Convert boxes (..., 4) from left, top, right, bottom to left, top, width, height."""
    return np.concatenate([boxes_xyxy[..., :2], boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]], axis=-1)


def from_xywh(boxes_xywh: Points) -> Points:
    """Convert boxes (..., 4) from left, top, width, height to left, top, right, bottom."""
    return np.concatenate([boxes_xywh[..., :2], boxes_xywh[..., :2] + boxes_xywh[..., 2:]], axis=-1)


def _join_column(name: str, parts: Sequence[Instances]) -> Any:
    """One column of all parts, blank where a part lacks it; at least one part has it."""
    columns = [getattr(part, name) for part in parts]
    if name == "dense":
        return tuple(
            row
            for part, column in zip(parts, columns, strict=True)
            for row in ([NO_DENSE] * len(part) if column is None else column)
        )
    dtype, _ = _COLUMNS[name]
    shapes = {column.shape[1:] for column in columns if column is not None}
    if len(shapes) > 1:
        found = " and ".join(_show(("N", *shape)) for shape in sorted(shapes))
        raise ValueError(f"Instances.{name}: parts of different shapes cannot be concatenated: {found}")
    (shape,) = shapes
    if name == "smoothed_xy":
        columns = [part.drawn_xy for part in parts]
    filled = [
        np.full((len(part), *shape), _BLANKS.get(name, 0), dtype) if column is None else column
        for part, column in zip(parts, columns, strict=True)
    ]
    with_people = [column for column in filled if len(column)]
    # Masks are large: they are copied only where there is something to put behind them.
    return with_people[0] if len(with_people) == 1 else np.concatenate(filled)


def _show(shape: tuple[str | int, ...]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"
