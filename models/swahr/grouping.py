"""Grouping of peaks into people by their tags.

Source: Newell et al., "Associative Embedding", NIPS 2017, section 3.2, with the constants and the order of
steps of HigherHRNet's public code. The result is the same, except for people whose first tags are exactly
equal: that code keys people by this number and merges them; here they are two people.
"""

from __future__ import annotations

import numpy as np

from models.swahr.assignment import DoubleArray, assign_rows
from models.swahr.peaks import FloatArray, IntArray, Peaks

# Rounded distances have a large weight, so that scores decide between equal ones only.
_DISTANCE_COST = 100.0


def group_peaks(
    peaks: Peaks, keypoint_order: tuple[int, ...], *, max_people: int = 30, max_tag_distance: float = 1.0
) -> IntArray:
    """Group peaks into people, keypoint by keypoint.

    The peaks of a keypoint are assigned to the people found so far with the minimum sum of
    `round(|tag - mean tag|) * 100 - score`; peaks that are too far from their person start new people.

    Args:
        peaks: Peaks of one image.
        keypoint_order: All K keypoints, the most reliable and central first.
        max_people: Only the first people, up to this number, get further keypoints.
        max_tag_distance: Upper bound of the distance of a peak to its person, exclusive.

    Returns:
        (N, K), each person's peaks as indices of `peaks`, or -1.
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
    """Find the person (n,) of each of n peaks, -1 for a new one."""
    differences = tags[:, None].astype(np.float64) - means[None]
    distances = np.sqrt((differences * differences).sum(axis=2))
    person = assign_rows(np.round(distances) * _DISTANCE_COST - scores[:, None])
    rows = np.flatnonzero(person >= 0)
    person[rows[distances[rows, person[rows]] >= max_tag_distance]] = -1
    return person
