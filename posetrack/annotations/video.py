"""AnnotatedVideo: one annotated sequence of PoseTrack, whatever file it came from.

Coordinates are the files' own: keypoints are indices of pixels, in PoseTrack's formats as in COCO's, so that
nothing is converted from one to another; boxes are continuous. Our own `poses.jsonl` comes in converted
(`posetrack.annotations.tracked_poses`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from posetrack.frame import BoolArray, IntArray
from posetrack.skeleton import POSETRACK_15

DoubleArray = npt.NDArray[np.float64]
"""Annotations keep the full precision of their files: distances may lie exactly on a threshold."""

K = POSETRACK_15.num_keypoints


@dataclass(frozen=True, eq=False)
class AnnotatedFrame:
    """One frame of a sequence, without its people.

    Attributes:
        file_name: File name of the image, as the file gives it; may be empty in predictions.
        is_labeled: Whether this frame was annotated; None if the file does not say.
        ignore_regions: Polygons (P, 2) in pixels, x before y, in which nothing is evaluated.
        image_id: PoseTrack18's and COCO's id of the image, None in PoseTrack17.
        size_wh: Width and height of the image in pixels, if the file gives them.
    """

    file_name: str = ""
    is_labeled: bool | None = None
    ignore_regions: tuple[DoubleArray, ...] = ()
    image_id: int | None = None
    size_wh: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class AnnotatedPeople:
    """The N people of all frames of a sequence, in the order of its file; NaN for missing values.

    Attributes:
        frame_index: (N,) position of each person's frame.
        track_ids: (N,) int; undefined where `has_track_id` is False.
        has_track_id: (N,) bool.
        scores: (N,) score of the person.
        head_boxes_xyxy: (N, 4), pixels.
        boxes_xyxy: (N, 4), pixels.
        has_points: (N,) bool, whether the file has a list of points for the person, be it empty.
        keypoints_xy: (N, K, 2), indices of pixels, in the order of `POSETRACK_15`; NaN where absent.
        keypoint_scores: (N, K).
        visibility: (N, K), the file's flag of each point: 0 for an occluded point.
    """

    frame_index: IntArray
    track_ids: IntArray
    has_track_id: BoolArray
    scores: DoubleArray
    head_boxes_xyxy: DoubleArray
    boxes_xyxy: DoubleArray
    has_points: BoolArray
    keypoints_xy: DoubleArray
    keypoint_scores: DoubleArray
    visibility: DoubleArray

    def __len__(self) -> int:
        return len(self.frame_index)

    @property
    def present(self) -> BoolArray:
        """Which keypoints are present, (N, K)."""
        return ~np.isnan(self.keypoints_xy[..., 0])


@dataclass(frozen=True, eq=False)
class AnnotatedVideo:
    """One sequence: ground truth or predictions.

    Attributes:
        name: Name of the sequence: that of its file without the ending.
        frames: The frames in order.
        people: The people of all frames.
    """

    name: str
    frames: tuple[AnnotatedFrame, ...]
    people: AnnotatedPeople

    def select_frames(self, positions: IntArray) -> AnnotatedVideo:
        """Select frames by their positions, all different, in this order, with the people in them."""
        position = np.full(len(self.frames), -1, np.int64)
        position[positions] = np.arange(len(positions))
        rows = np.flatnonzero(position[self.people.frame_index] >= 0)
        columns = {column.name: getattr(self.people, column.name)[rows] for column in fields(AnnotatedPeople)}
        columns["frame_index"] = position[columns["frame_index"]]
        return AnnotatedVideo(self.name, tuple(self.frames[i] for i in positions), AnnotatedPeople(**columns))


@dataclass
class PeopleBuilder:
    """Collects people one by one and makes columns of all of them.

    Rows are plain numbers, `None` for missing values. The points of all people are one flat list, because there
    are many.
    """

    frame_index: list[int] = field(default_factory=list)
    track_ids: list[int | None] = field(default_factory=list)
    scores: list[float | None] = field(default_factory=list)
    head_boxes_xyxy: list[Sequence[float] | None] = field(default_factory=list)
    boxes_xyxy: list[Sequence[float] | None] = field(default_factory=list)
    has_points: list[bool] = field(default_factory=list)
    points: list[tuple[int, int, float, float, float, float]] = field(default_factory=list)
    """(person, keypoint, x, y, score, visibility), NaN for missing values."""

    def build(self) -> AnnotatedPeople:
        """Make the columns.

        Raises:
            ValueError: A value is not a number.
        """
        N = len(self.frame_index)
        points = np.array(self.points, np.float64).reshape(-1, 6)
        # Of two points with the same id the first counts, as in the reference tool, so it is written last.
        points = points[::-1]
        keypoints = np.full((N, K, 4), np.nan)
        keypoints[points[:, 0].astype(np.int64), points[:, 1].astype(np.int64)] = points[:, 2:]
        return AnnotatedPeople(
            frame_index=np.array(self.frame_index, np.int64),
            track_ids=np.array([0 if number is None else number for number in self.track_ids], np.int64),
            has_track_id=np.array([number is not None for number in self.track_ids], bool),
            scores=_fill(self.scores, ()),
            head_boxes_xyxy=_fill(self.head_boxes_xyxy, (4,)),
            boxes_xyxy=_fill(self.boxes_xyxy, (4,)),
            has_points=np.array(self.has_points, bool),
            keypoints_xy=keypoints[..., :2],
            keypoint_scores=keypoints[..., 2],
            visibility=keypoints[..., 3],
        )


def shorten(flag: float) -> float:
    """Format a flag for a file: 1 rather than 1.0."""
    return int(flag) if flag.is_integer() else flag


def _fill(rows: Sequence[object | None], shape: tuple[int, ...]) -> DoubleArray:
    """Stack rows as (N, *shape), NaN for missing ones."""
    missing = np.full(shape, np.nan)
    column: DoubleArray = np.array([missing if row is None else row for row in rows], np.float64)
    return column.reshape(len(rows), *shape)
