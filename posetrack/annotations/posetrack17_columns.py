"""Reading of the people of a PoseTrack17 file by columns."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from posetrack.annotations.columns import (
    LISTS,
    LISTS_OR_NOTHING,
    NUMBERS_OR_FLAGS,
    OBJECTS,
    WHOLE_NUMBERS,
    UnclearError,
    check_types,
    fill,
    find_given,
    make_column,
)
from posetrack.annotations.video import AnnotatedPeople, DoubleArray, K
from posetrack.frame import IntArray

HEAD_FIELDS = ("x1", "y1", "x2", "y2")
FLAGS_AS_TEXT = (["0"], ["1"])
"""MPII's tools, which made the first files, write some flags so."""


def read_people(annolist: list[Any]) -> AnnotatedPeople:
    """Read the people of an `annolist`, as `decode_posetrack17` does; for `read_quickly`."""
    rects_of_frames = [entry.get("annorect", []) for entry in annolist]
    check_types(rects_of_frames, LISTS)
    rects = list(chain.from_iterable(rects_of_frames))
    check_types(rects, OBJECTS)
    points_of_rects = _find_points(rects)
    keypoints = _read_points(points_of_rects)
    ids = [rect.get("track_id") for rect in rects]
    scores = [rect.get("score") for rect in rects]
    check_types(ids, LISTS_OR_NOTHING)
    check_types(scores, LISTS_OR_NOTHING)
    has_id, has_score = find_given(ids), find_given(scores)
    track_ids = np.zeros(len(rects), np.int64)
    track_ids[has_id] = make_column([each[0] for each in ids if each], WHOLE_NUMBERS)
    return AnnotatedPeople(
        frame_index=np.repeat(np.arange(len(annolist)), list(map(len, rects_of_frames))),
        track_ids=track_ids,
        has_track_id=has_id,
        scores=fill(has_score, make_column([each[0] for each in scores if each])),
        head_boxes_xyxy=_read_heads(rects),
        boxes_xyxy=np.full((len(rects), 4), np.nan),
        has_points=np.array([points is not None for points in points_of_rects], bool),
        keypoints_xy=keypoints[..., :2],
        keypoint_scores=keypoints[..., 2],
        visibility=keypoints[..., 3],
    )


def _read_heads(rects: list[dict[str, Any]]) -> DoubleArray:
    """The head boxes, (N, 4)."""
    headless = [rect for rect in rects if "x1" not in rect]
    if any(name in rect for rect in headless for name in HEAD_FIELDS):
        raise UnclearError
    sides = [
        make_column([rect[name][0] for rect in rects if "x1" in rect], NUMBERS_OR_FLAGS) for name in HEAD_FIELDS
    ]
    return fill(np.array(["x1" in rect for rect in rects], bool), np.stack(sides, axis=1))


def _find_points(rects: list[dict[str, Any]]) -> list[list[dict[str, Any]] | None]:
    """The list of points of each person; None where there is none."""
    groups = [rect.get("annopoints") for rect in rects]
    given = [group for group in groups if group]
    check_types(given, LISTS)
    check_types((group[0] for group in given), OBJECTS)
    check_types((group[0].get("point", []) for group in given), LISTS)
    return [group[0].get("point") if group else None for group in groups]


def _read_points(points_of_rects: list[list[dict[str, Any]] | None]) -> DoubleArray:
    """The keypoints, (N, K, 4): x, y, score and visibility, NaN where absent."""
    N = len(points_of_rects)
    sizes = [0 if points is None else len(points) for points in points_of_rects]
    points = list(chain.from_iterable(filter(None, points_of_rects)))
    rows: IntArray = np.repeat(np.arange(N), sizes)
    columns = make_column([point["id"][0] for point in points], WHOLE_NUMBERS).astype(np.int64)
    scores = [point.get("score") for point in points]
    values = np.stack(
        [
            make_column([point["x"][0] for point in points]),
            make_column([point["y"][0] for point in points]),
            fill(find_given(scores), make_column([each[0] for each in scores if each], NUMBERS_OR_FLAGS)),
            _read_flags([point.get("is_visible") for point in points]),
        ],
        axis=1,
    )
    is_known = (columns >= 0) & (columns < K)
    rows, columns, values = rows[is_known], columns[is_known], values[is_known]
    keypoints = np.full((N, K, 4), np.nan)
    # Of two points with the same id the first counts, so it is written last.
    keypoints[rows[::-1], columns[::-1]] = values[::-1]
    return keypoints


def _read_flags(flags: list[Any]) -> DoubleArray:
    given = [each[0] for each in flags if each]
    if str in map(type, given):
        if any(each and type(each[0]) is str and each not in FLAGS_AS_TEXT for each in flags):
            raise UnclearError
        given = [float(each) if type(each) is str else each for each in given]
    return fill(find_given(flags), make_column(given, NUMBERS_OR_FLAGS))
