"""Joining of the track ids of two parts of a video over the frames that both have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from posetrack.frame import UNTRACKED, FloatArray, Instances
from posetrack.results.record import Record
from posetrack.skeleton import Skeleton
from trackers.matching import match_hungarian
from trackers.nms import compute_iou
from trackers.oks import compute_oks, compute_pose_areas

_MIN_SIMILARITY = 0.5
"""Least mean similarity of one person's poses in two parts: they come from the same images."""
_MIN_KEYPOINT_SCORE = 0.2
_RECENT_S = 1.0
"""Frames so much nearer to the border count 2.7 times as much: who somebody is there decides."""


def join_ids(before: Sequence[Record], after: Sequence[Record], skeleton: Skeleton) -> dict[int, int]:
    """Match the tracks of two parts, one to one, by how alike their poses are in the frames that both have.

    The similarity of two poses is OKS; of people without keypoints it is the IoU of their boxes. Pairs
    of tracks are chosen so that the sum over all is largest (Hungarian method).

    Args:
        before: Frames of the overlap, with ids of the video.
        after: The same frames, with ids of the part that begins there.
        skeleton: Gives the OKS sigmas.

    Returns:
        Ids of the video by those of the part, for tracks that both parts have.
    """
    pairs = {record.frame: record for record in after}
    end_s = max((record.time_s for record in before), default=0.0)
    sums: defaultdict[tuple[int, int], float] = defaultdict(float)
    weights: defaultdict[tuple[int, int], float] = defaultdict(float)
    for record in before:
        other = pairs.get(record.frame)
        if other is None:
            continue
        weight = float(np.exp((record.time_s - end_s) / _RECENT_S))
        table = compare_people(record.instances, other.instances, skeleton)
        for row, old in enumerate(_list_ids(record.instances)):
            for col, new in enumerate(_list_ids(other.instances)):
                if UNTRACKED not in (old, new):
                    sums[old, new] += weight * float(table[row, col])
                    weights[old, new] += weight
    olds, news = (sorted({pair[side] for pair in sums}) for side in (0, 1))
    similarity = np.zeros((len(olds), len(news)), np.float32)
    for (old, new), total in sums.items():
        if total >= _MIN_SIMILARITY * weights[old, new]:
            similarity[olds.index(old), news.index(new)] = total
    rows, cols = match_hungarian(similarity, float(np.finfo(np.float32).tiny))
    return {news[col]: olds[row] for row, col in zip(rows.tolist(), cols.tolist(), strict=True)}


def compare_people(people: Instances, others: Instances, skeleton: Skeleton) -> FloatArray:
    """How alike people are, (N, M): OKS where both have keypoints, else the IoU of their boxes."""
    boxes, others_boxes = (
        np.zeros((len(each), 4), np.float32) if each.boxes_xyxy is None else each.boxes_xyxy
        for each in (people, others)
    )
    if people.keypoints_xy is None or others.keypoints_xy is None:
        return compute_iou(boxes, others_boxes)
    visible, others_visible = (
        np.ones(each.keypoints_xy.shape[:2], np.bool_)
        if each.keypoint_scores is None
        else each.keypoint_scores >= _MIN_KEYPOINT_SCORE
        for each in (people, others)
        if each.keypoints_xy is not None
    )
    return compute_oks(
        people.keypoints_xy,
        visible,
        others.keypoints_xy,
        others_visible,
        areas_px2=compute_pose_areas(boxes, people.keypoints_xy, visible),
        others_areas_px2=compute_pose_areas(others_boxes, others.keypoints_xy, others_visible),
        sigmas=np.asarray(skeleton.sigmas, np.float32),
    )


def _list_ids(people: Instances) -> list[int]:
    return [UNTRACKED] * len(people) if people.track_ids is None else people.track_ids.tolist()
