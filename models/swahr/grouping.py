"""Peaks to people: keypoints whose tags are alike belong to one person.

Source: Newell et al., "Associative Embedding", NIPS 2017, section 3.2, with the constants and the order of
steps of HigherHRNet's public code, whose result this is, but for keypoints with exactly
the same first tag: that code keys people by this number and merges them; here they are two people.
"""

from __future__ import annotations

import numpy as np

from models.swahr.assignment import DoubleArray, assign_rows
from models.swahr.peaks import FloatArray, IntArray, Peaks

# Rounded distances weigh so much against scores that a score decides only between equal ones.
_DISTANCE_COST = 100.0


def group_peaks(
    peaks: Peaks, keypoint_order: tuple[int, ...], *, max_people: int = 30, max_tag_distance: float = 1.0
) -> IntArray:
    """Put peaks together to people, keypoint after keypoint.

    A keypoint's peaks are assigned to the people so far, so that `round(|tag - mean tag|) * 100 - score` is
    least in sum; those that are too far from theirs become new people.

    Args:
        peaks: Of one image.
        keypoint_order: All K keypoints, the highest-scoring and most central first.
        max_people: Only so many people, the first, are given more keypoints.
        max_tag_distance: A peak must be nearer to its person.

    Returns:
        (N, K), each person's peaks as positions in `peaks`, or -1.
    """
    P, T = peaks.tags.shape
    members = np.full((P, len(keypoint_order)), -1, np.int64)
    sums, counts = np.zeros((P, T), np.float32), np.zeros((P, 1), np.float32)
    N = 0
    for keypoint in keypoint_order:
        found = np.arange(peaks.starts[keypoint], peaks.starts[keypoint + 1])
        if not len(found):
            continue
        open_people = min(N, max_people)
        tags, scores = peaks.tags[found], peaks.scores[found].astype(np.float64)
        means = sums[:open_people] / counts[:open_people]
        person = _choose_people(tags, scores, means, max_tag_distance)
        is_new = person < 0
        person[is_new] = N + np.arange(is_new.sum())
        N += int(is_new.sum())
        members[person, keypoint] = found
        sums[person] += tags
        counts[person] += 1
    return members[:N]


def _choose_people(
    tags: FloatArray, scores: DoubleArray, means: FloatArray, max_tag_distance: float
) -> IntArray:
    """The person (n,) of each of n peaks, -1 where it is a new one."""
    differences = tags[:, None].astype(np.float64) - means[None]
    distances = np.sqrt((differences * differences).sum(axis=2))
    person = assign_rows(np.round(distances) * _DISTANCE_COST - scores[:, None])
    rows = np.flatnonzero(person >= 0)
    person[rows[distances[rows, person[rows]] >= max_tag_distance]] = -1
    return person
