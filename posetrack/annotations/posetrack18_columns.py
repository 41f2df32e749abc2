"""Reading of the people of a PoseTrack18 file by columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from posetrack.annotations.columns import (
    NUMBERS,
    OBJECTS,
    WHOLE_NUMBERS,
    check_types,
    fill,
    find_given,
    make_column,
    make_table,
)
from posetrack.annotations.video import AnnotatedPeople, DoubleArray, K
from posetrack.frame import BoolArray


def read_people(
    annotations: list[dict[str, Any]], index_of_image: dict[int, int], columns: list[tuple[int, int]]
) -> AnnotatedPeople:
    """Read the people of a file of one category, as `decode_posetrack18_sequences` does; for `read_quickly`.

    Args:
        annotations: N annotations.
        index_of_image: Position of each image by its id; one that is missing fails.
        columns: Pairs (index in POSETRACK_15, index in the file), -1 for none of the 15.
    """
    check_types(annotations, OBJECTS)
    N, C = len(annotations), len(columns)
    image_ids = [annotation["image_id"] for annotation in annotations]
    check_types(image_ids, WHOLE_NUMBERS)
    triples = make_table([annotation["keypoints"] for annotation in annotations], 3 * C).reshape(N, C, 3)
    score_lists = [annotation.get("scores") for annotation in annotations]
    keypoint_scores = fill(find_given(score_lists), make_table([row for row in score_lists if row], C))
    keypoints = np.full((N, K, 4), np.nan)
    for keypoint, column in columns:
        if keypoint >= 0:
            keypoints[:, keypoint, [0, 1, 3]] = triples[:, column]
            keypoints[:, keypoint, 2] = keypoint_scores[:, column]
            keypoints[~triples[:, column].any(axis=-1), keypoint] = np.nan
    has_id, ids = _take(annotations, "track_id", WHOLE_NUMBERS)
    _, scores = _take(annotations, "score")
    return AnnotatedPeople(
        frame_index=np.array([index_of_image[image_id] for image_id in image_ids], np.int64),
        track_ids=np.where(has_id, ids, 0).astype(np.int64),
        has_track_id=has_id,
        scores=scores,
        head_boxes_xyxy=_read_boxes(annotations, "bbox_head"),
        boxes_xyxy=_read_boxes(annotations, "bbox"),
        has_points=np.ones(N, bool),
        keypoints_xy=keypoints[..., :2],
        keypoint_scores=keypoints[..., 2],
        visibility=keypoints[..., 3],
    )


def _take(
    annotations: list[dict[str, Any]], name: str, types: frozenset[type] = NUMBERS
) -> tuple[BoolArray, DoubleArray]:
    """Which annotations have a number, (N,), and the numbers, (N,), NaN for the others."""
    values = [annotation.get(name) for annotation in annotations]
    is_given = np.array([value is not None for value in values], bool)
    return is_given, fill(is_given, make_column([value for value in values if value is not None], types))


def _read_boxes(annotations: list[dict[str, Any]], name: str) -> DoubleArray:
    """Boxes (N, 4) as x1, y1, x2 and y2, from x, y, width and height."""
    rows = [annotation.get(name) for annotation in annotations]
    is_given = np.array([row is not None for row in rows], bool)
    boxes = make_table([row for row in rows if row is not None], 4)
    boxes[:, 2:] += boxes[:, :2]
    return fill(is_given, boxes)
