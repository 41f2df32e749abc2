"""Preparation of a sequence for evaluation: ground truth and predictions paired and cleaned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from posetrack.annotations.coco_style import MISSING_SCORE
from posetrack.annotations.video import AnnotatedFrame, AnnotatedVideo, DoubleArray
from posetrack.errors import ResultsError
from posetrack.evaluation.posetrack.frame_names import find_missing, pair_by_name
from posetrack.frame import BoolArray, IntArray
from posetrack.json_fields import show_name
from posetrack.polygons import find_strictly_inside

MATCH_DISTANCE = 0.5
"""A predicted keypoint is correct up to this distance from the true one, in head sizes."""

HEAD_SIZE_FRACTION = 0.6
"""The head size is this fraction of the diagonal of the head box."""


@dataclass(frozen=True, eq=False)
class Poses:
    """N poses, true or predicted, sorted by frame and within a frame in the file's order.

    Attributes:
        frame_index: (N,) position of the frame among the evaluated ones.
        tracks: (N,) number of the track, from 0 without gaps, in the order of the ids; undefined without ids.
        keypoints_xy: (N, K, 2), NaN where absent.
        keypoint_scores: (N, K), NaN where the file has none.
        head_sizes: (N,), pixels, NaN where the file has no head box.
        track_ids: (M,) id of each track in the file.
    """

    frame_index: IntArray
    tracks: IntArray
    keypoints_xy: DoubleArray
    keypoint_scores: DoubleArray
    head_sizes: DoubleArray
    track_ids: IntArray

    @property
    def num_tracks(self) -> int:
        """The number of tracks, M."""
        return len(self.track_ids)

    @property
    def present(self) -> BoolArray:
        """Which keypoints are present, (N, K)."""
        return ~np.isnan(self.keypoints_xy[..., 0])


@dataclass(frozen=True, eq=False)
class FramePair:
    """The G true and P predicted people of one frame.

    Attributes:
        true_rows: Their rows in the ground truth's `Poses`.
        predicted_rows: Their rows in the predictions' `Poses`.
        distances: (P, G, K) distances between keypoints in head sizes of the true person; inf where one is
            absent.
    """

    true_rows: slice
    predicted_rows: slice
    distances: DoubleArray

    @property
    def matches(self) -> BoolArray:
        """Which keypoints are within the matching distance, (P, G, K)."""
        return self.distances <= MATCH_DISTANCE


@dataclass(frozen=True, eq=False)
class Sequence:
    """A cleaned sequence.

    Attributes:
        name: Name of the sequence.
        num_frames: Number of evaluated frames.
        truth: The annotated poses.
        predictions: The predicted poses.
        is_tracked: Whether ground truth and predictions both have track ids.
    """

    name: str
    num_frames: int
    truth: Poses
    predictions: Poses
    is_tracked: bool

    def frames(self) -> Iterator[FramePair]:
        """Compute the distances of each frame."""
        steps = np.arange(self.num_frames + 1)
        true_ends = np.searchsorted(self.truth.frame_index, steps)
        predicted_ends = np.searchsorted(self.predictions.frame_index, steps)
        for frame in range(self.num_frames):
            true_rows = slice(*true_ends[frame : frame + 2])
            predicted_rows = slice(*predicted_ends[frame : frame + 2])
            yield FramePair(
                true_rows,
                predicted_rows,
                measure_distances(
                    self.predictions.keypoints_xy[predicted_rows],
                    self.truth.keypoints_xy[true_rows],
                    self.truth.head_sizes[true_rows],
                ),
            )


def measure_distances(predicted_xy: DoubleArray, true_xy: DoubleArray, head_sizes: DoubleArray) -> DoubleArray:
    """Compute the distances between predicted and true keypoints, in head sizes.

    Args:
        predicted_xy: (P, K, 2), NaN where absent.
        true_xy: (G, K, 2), NaN where absent.
        head_sizes: (G,) of the true people, pixels.

    Returns:
        (P, G, K), inf where a keypoint is absent or the head size is 0.
    """
    offsets = predicted_xy[:, None] - true_xy
    with np.errstate(divide="ignore", invalid="ignore"):
        distances: DoubleArray = np.sqrt((offsets**2).sum(axis=-1)) / head_sizes[None, :, None]
    # At the threshold the last bit decides. The reference takes the norm of a vector, which may be rounded
    # differently from that of an array.
    for p, g, k in np.argwhere(np.abs(distances - MATCH_DISTANCE) < 1e-9):
        distances[p, g, k] = np.linalg.norm(offsets[p, g, k]) / head_sizes[g]
    distances[np.isnan(distances)] = np.inf
    return distances


def drop_keypoints(video: AnnotatedVideo, min_score: float) -> AnnotatedVideo:
    """Leave out the keypoints that score less, and the people who lose all of theirs by that.

    This is what the exports do with `ExportOptions.min_keypoint_score`. Keypoints without a score stay, and
    with a least score of 0 all do.
    """
    people = video.people
    is_weak = (people.keypoint_scores < min_score) & (people.keypoint_scores > MISSING_SCORE)
    if min_score <= 0 or not is_weak.any():
        return video
    xy = np.where(is_weak[..., None], np.nan, people.keypoints_xy)
    lost_all = is_weak.any(axis=1) & np.isnan(xy[..., 0]).all(axis=1)
    return replace(video, people=replace(people, keypoints_xy=xy, has_points=people.has_points & ~lost_all))


def pair_sequence(
    truth: AnnotatedVideo,
    predictions: AnnotatedVideo,
    *,
    corrected: bool = False,
    truth_file: str | None = None,
    predictions_file: str | None = None,
) -> Sequence:
    """Clean a sequence as the reference tool does.

    In this order: frames without annotated people are removed together with their predictions; people without a
    list of points are removed; points strictly inside an ignore region of the ground truth are removed on both
    sides, and in frames with such regions also the people who have no point left.

    Args:
        truth: Ground truth.
        predictions: Predictions for the same frames, by position.
        corrected: Pair frames by the names of their images where both have the same names, and also remove
            points at exactly (0, 0), which the reference takes for real ones if their visibility is not 0.
        truth_file: Name of the ground truth in messages; by default that of the sequence.
        predictions_file: Name of the predictions in messages.

    Returns:
        The sequence.

    Raises:
        ResultsError: Track ids or head boxes are not valid, the numbers of frames differ, or an ignore region
            has one or two corners.
    """
    if len(truth.frames) != len(predictions.frames):
        missing = find_missing(truth, predictions)
        raise ResultsError(
            f"{predictions_file or predictions.name}: {len(predictions.frames)} frames, but the ground truth "
            f"has {len(truth.frames)}{f', also {missing}' if missing else ''}; predict every frame of the "
            "sequence, also those without people"
        )
    if corrected:
        predictions = pair_by_name(truth, predictions)
    counted = np.unique(truth.people.frame_index)
    _check_regions(truth.frames, truth_file or truth.name)
    regions = [frame.ignore_regions for frame in truth.frames]
    truth_poses, truth_is_tracked = _clean(truth, regions, counted, corrected=corrected)
    predicted_poses, is_tracked = _clean(predictions, regions, counted, corrected=corrected)
    _check_head_sizes(truth, counted, truth_poses, predicted_poses, truth_file or truth.name)
    return Sequence(
        truth.name, len(counted), truth_poses, predicted_poses, is_tracked=truth_is_tracked and is_tracked
    )


def _check_regions(frames: tuple[AnnotatedFrame, ...], where: str) -> None:
    for index, frame in enumerate(frames):
        for number, corners in enumerate(frame.ignore_regions):
            if 0 < len(corners) < 3:
                raise ResultsError(
                    f"{where}: frame {index}: ignore_regions[{number}]: {len(corners)} corners; a region has "
                    "3 or more"
                )


def _clean(
    video: AnnotatedVideo, regions: list[tuple[DoubleArray, ...]], counted: IntArray, *, corrected: bool
) -> tuple[Poses, bool]:
    """Select the evaluated poses of one side; returns them and whether they have track ids."""
    people = video.people
    frame_index = people.frame_index
    xy = people.keypoints_xy
    if corrected:
        xy = np.where((xy == 0).all(axis=-1, keepdims=True), np.nan, xy)
    stays = people.has_points & np.isin(frame_index, counted)
    if corrected:
        stays &= ~np.isnan(xy[..., 0]).all(axis=1)
    xy = np.where(_find_ignored(regions, frame_index, xy)[..., None], np.nan, xy)
    has_regions = np.array([len(polygons) > 0 for polygons in regions], bool)
    stays &= ~(has_regions[frame_index] & np.isnan(xy[..., 0]).all(axis=1))
    rows = np.flatnonzero(stays)
    rows = rows[np.argsort(frame_index[rows], kind="stable")]
    ids, tracks = np.unique(people.track_ids[rows], return_inverse=True)
    poses = Poses(
        frame_index=np.searchsorted(counted, frame_index[rows]),
        tracks=tracks,
        keypoints_xy=xy[rows],
        keypoint_scores=people.keypoint_scores[rows],
        head_sizes=_measure_heads(people.head_boxes_xyxy[rows]),
        track_ids=ids,
    )
    return poses, bool(people.has_track_id[rows].all())


def _measure_heads(boxes_xyxy: DoubleArray) -> DoubleArray:
    """The head sizes (N,) of head boxes (N, 4), NaN where a box is missing."""
    sizes = np.full(len(boxes_xyxy), np.nan)
    rows = np.flatnonzero(~np.isnan(boxes_xyxy).any(axis=1))
    sides = boxes_xyxy[rows, 2:] - boxes_xyxy[rows, :2]
    # The norm of a vector, one by one as the reference takes it: the last bit of that of an array may differ.
    sizes[rows] = HEAD_SIZE_FRACTION * np.sqrt(np.array([side.dot(side) for side in sides]))
    return sizes


def _find_ignored(regions: list[tuple[DoubleArray, ...]], frame_index: IntArray, xy: DoubleArray) -> BoolArray:
    """Find the keypoints strictly inside an ignore region of their frame, (N, K)."""
    ignored = np.zeros(xy.shape[:2], bool)
    for index, polygons in enumerate(regions):
        if polygons:
            rows = np.flatnonzero(frame_index == index)
            for polygon in polygons:
                ignored[rows] |= find_strictly_inside(polygon, xy[rows])
    return ignored


def _check_head_sizes(
    truth: AnnotatedVideo, counted: IntArray, true: Poses, predicted: Poses, where: str
) -> None:
    measured = np.isin(true.frame_index, predicted.frame_index) & np.isnan(true.head_sizes)
    if measured.any():
        index = int(counted[true.frame_index[np.flatnonzero(measured)[0]]])
        raise ResultsError(
            f"{where}: frame {index} ({show_name(truth.frames[index].file_name)}): a person of the ground "
            "truth has no head box (x1, y1, x2, y2, or bbox_head): distances are measured in head sizes"
        )


def check_track_ids(video: AnnotatedVideo, where: str, *, unique: bool) -> None:
    """Check the track ids of a sequence.

    Args:
        video: The sequence.
        where: Name of its file in messages.
        unique: Whether ids must be unique within a frame.

    Raises:
        ResultsError: Some people have an id and others none, an id is 10,000 or more, or occurs twice in a
            frame.
    """
    people = video.people
    # Ground truth may have people without points, which need no id.
    lacks_id = people.has_points & ~people.has_track_id
    if people.has_track_id.any() and lacks_id.any():
        row = int(np.flatnonzero(lacks_id)[0])
        raise ResultsError(f"{_name_row(video, row, where)}: track_id: missing, but others have one")
    wrong = np.flatnonzero(people.has_track_id & (people.track_ids >= MAX_TRACK_ID))
    if len(wrong):
        found = people.track_ids[wrong[0]]
        raise ResultsError(
            f"{_name_row(video, int(wrong[0]), where)}: track_id: {found} is not below {MAX_TRACK_ID}"
        )
    if unique:
        rows = np.flatnonzero(people.has_track_id)
        pairs = np.stack([people.frame_index[rows], people.track_ids[rows]], axis=1)
        _, first, counts = np.unique(pairs, axis=0, return_index=True, return_counts=True)
        if (counts > 1).any():
            row = int(rows[first[counts > 1].min()])
            raise ResultsError(
                f"{_name_row(video, row, where)}: track_id: {people.track_ids[row]} occurs twice in the frame"
            )


MAX_TRACK_ID = 10_000
"""The reference tool accepts ids below this."""


def _name_row(video: AnnotatedVideo, row: int, where: str) -> str:
    index = int(video.people.frame_index[row])
    file_name = video.frames[index].file_name
    return f"{where}: frame {index} ({show_name(file_name)})" if file_name else f"{where}: frame {index}"
