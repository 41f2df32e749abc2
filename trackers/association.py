"""Matching of detections with tracks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trackers.config import FlowTrackerConfig
from trackers.matching import MATCHERS
from trackers.people import People
from trackers.track_ids import are_among
from trackers.tracks import PoseQueue

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_OVERLAP = 0.2
"""Tracks whose boxes overlap more than this are not expected where flow takes them."""


def continue_tracks(
    queue: PoseQueue, people: People, may_start: BoolArray, sigmas: FloatArray, config: FlowTrackerConfig
) -> tuple[IntArray, IntArray]:
    """Match detections with tracks.

    Args:
        queue: The tracks, where they are expected in this frame.
        people: N detections.
        may_start: (N,), which of them could start a track. They are matched before the others: half-hidden
            people and two who were found as one have lower scores.
        sigmas: (K,), OKS sigmas of the keypoints.
        config: Settings.

    Returns:
        Ids (N,) of the tracks, 0 for none, and the ids of all tracks (M,).
    """
    oks, ids = queue.compare(people, sigmas, config.min_oks)
    if not config.has_velocity:
        everybody = [np.arange(len(people))]
        return _match_in_turn([(oks, config.min_oks)], ids, everybody, config.match), ids
    predicted = queue.compare_with_predicted(people, sigmas, config.min_oks)
    # Where people overlap, flow is that of the one in front.
    oks = np.where(queue.are_overlapped(_OVERLAP), predicted, np.maximum(oks, predicted))
    iou = queue.compare_boxes(people)
    similarity = np.where(oks >= config.min_oks, (oks + iou) / 2, 0)
    tables = [(similarity, config.min_oks / 2), (iou, config.min_iou)]
    groups = [np.flatnonzero(may_start), np.flatnonzero(~may_start)]
    return _match_in_turn(tables, ids, groups, config.match), ids


def _match_in_turn(
    tables: list[tuple[FloatArray, float]], ids: IntArray, groups: list[IntArray], matcher: str
) -> IntArray:
    """Match detections with tracks by one table (N, M) and its minimum after another, group by group."""
    track_ids = np.zeros(sum(len(group) for group in groups), np.int64)
    for table, minimum in tables:
        for group in groups:
            left, free = group[track_ids[group] == 0], np.flatnonzero(~are_among(ids, track_ids))
            rows, cols = MATCHERS[matcher](table[np.ix_(left, free)], minimum)
            track_ids[left[rows]] = ids[free[cols]]
    return track_ids
