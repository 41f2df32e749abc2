"""The people of one frame as every export writes them: filtered, complete, rounded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from posetrack.frame import (
    UNTRACKED,
    BoolArray,
    FloatArray,
    Instances,
    IntArray,
    to_pixel_indices,
    to_xywh,
)
from posetrack.results.rounding import RoundedArray, round_pixels, round_scores
from posetrack.skeleton import Skeleton
from trackers.oks import box_around_keypoints

ConvertKeypoints = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""Keypoints (N, K, 2) and scores (N, K) of one skeleton to those of another."""


@dataclass(frozen=True)
class ExportOptions:
    """Thresholds for exporting people and keypoints.

    Attributes:
        min_person_score: People whose `Instances.person_scores` is below it are left out.
        min_keypoint_score: Keypoints whose score, as it is written, is below it are marked as absent. For
            PoseTrack's evaluation this usually raises MOTA and lowers AP; 0.4 is common, and `posetrack eval
            posetrack --sweep` finds what is best.
        is_truth: Write the people as ground truth for evaluation and training, not as predictions.
    """

    min_person_score: float = 0.0
    min_keypoint_score: float = 0.0
    is_truth: bool = False


@dataclass(frozen=True)
class ExportSettings:
    """What the formats that a run writes beside its `poses.jsonl` leave out.

    Attributes:
        min_keypoint_score: As in `ExportOptions`.
    """

    min_keypoint_score: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.min_keypoint_score <= 1:
            raise ValueError(f"min_keypoint_score: {self.min_keypoint_score:g}; expected 0 to 1")


KEEP_ALL = ExportOptions()
"""Exports everything."""

GROUND_TRUTH = ExportOptions(min_keypoint_score=0.2, is_truth=True)
"""Exports what is to be true: no scores, and no keypoints of low ones unless somebody has moved them."""


@dataclass(frozen=True, eq=False)
class ExportedPeople:
    """N people with K keypoints each, rounded, no column missing.

    Attributes:
        track_ids: (N,), `UNTRACKED` where there is none.
        boxes_xyxy: (N, 4), pixels.
        box_scores: (N,).
        person_scores: (N,), `Instances.person_scores`.
        keypoints_xy: (N, K, 2), `Instances.drawn_xy` in continuous pixels or as indices of pixels.
        keypoint_scores: (N, K).
        present: (N, K) bool, False where a keypoint has score 0, is below the threshold or was never estimated.
        masks: (N, H, W) bool, or None where no network gave any.
    """

    track_ids: IntArray
    boxes_xyxy: RoundedArray
    box_scores: RoundedArray
    person_scores: RoundedArray
    keypoints_xy: RoundedArray
    keypoint_scores: RoundedArray
    present: BoolArray
    masks: BoolArray | None = None

    def __len__(self) -> int:
        return len(self.track_ids)

    @property
    def boxes_xywh(self) -> RoundedArray:
        """Left, top, width and height in pixels, (N, 4)."""
        return round_pixels(to_xywh(self.boxes_xyxy))


def select_people(
    instances: Instances,
    skeleton: Skeleton,
    options: ExportOptions,
    *,
    convert_keypoints: ConvertKeypoints | None = None,
    posed_only: bool = False,
    keypoints_as_indices: bool = False,
) -> ExportedPeople:
    """Take the people to export from one frame.

    Args:
        instances: The people of one frame.
        skeleton: Their keypoints.
        options: Thresholds for people and keypoints.
        convert_keypoints: Applied before the keypoint threshold.
        posed_only: Leave out people with no keypoint present.
        keypoints_as_indices: Whether the format counts keypoints from the centre of the first pixel.

    Returns:
        The people that remain, in order.
    """
    N = len(instances)
    xy, scores = instances.drawn_xy, instances.keypoint_scores
    estimated = xy is not None
    if xy is None:
        xy = np.zeros((N, skeleton.num_keypoints, 2), np.float32)
    if scores is None:
        scores = np.ones(xy.shape[:2], np.float32)
    if convert_keypoints is not None:
        xy, scores = convert_keypoints(xy, scores)
    if keypoints_as_indices:
        xy = to_pixel_indices(xy)
    rounded_scores = round_scores(scores)
    present = (rounded_scores >= options.min_keypoint_score) & (rounded_scores > 0) & estimated
    person_scores = instances.person_scores
    chosen = person_scores >= options.min_person_score
    if posed_only:
        chosen &= present.any(axis=1)
    ids = np.full(N, UNTRACKED) if instances.track_ids is None else instances.track_ids
    box_scores = person_scores if instances.box_scores is None else instances.box_scores
    return ExportedPeople(
        track_ids=ids[chosen],
        boxes_xyxy=round_pixels(complete_boxes(instances)[chosen]),
        box_scores=round_scores(box_scores[chosen]),
        person_scores=round_scores(person_scores[chosen]),
        keypoints_xy=round_pixels(xy[chosen]),
        keypoint_scores=rounded_scores[chosen],
        present=present[chosen],
        masks=None if instances.masks is None else instances.masks[chosen],
    )


def complete_boxes(instances: Instances) -> FloatArray:
    """Boxes of everyone: as they are, else drawn around the keypoints.

    Args:
        instances: N people.

    Returns:
        (N, 4), xyxy, pixels; zeros where there are no keypoints either.
    """
    if instances.boxes_xyxy is not None:
        return instances.boxes_xyxy
    xy = instances.drawn_xy
    if xy is None or xy.shape[1] == 0:
        return np.zeros((len(instances), 4), np.float32)
    scores = instances.keypoint_scores
    seen = np.ones(xy.shape[:2], bool) if scores is None else scores > 0
    # A person with no keypoint that scores is bound by all of them.
    return box_around_keypoints(xy, seen | ~seen.any(axis=1, keepdims=True), padding=1)


def flatten_keypoints(people: ExportedPeople, visibility: int) -> list[list[float]]:
    """Lay keypoints out as COCO does: x, y, v, x, y, v, ... with zeros for an absent one.

    Args:
        people: N people with K keypoints.
        visibility: The v of a keypoint that is present.

    Returns:
        N lists of 3 K numbers.
    """
    return [
        [
            number
            for (x, y), is_present in zip(points, flags, strict=True)
            for number in ((x, y, visibility) if is_present else (0.0, 0.0, 0))
        ]
        for points, flags in zip(people.keypoints_xy.tolist(), people.present.tolist(), strict=True)
    ]
