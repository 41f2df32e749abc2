"""HOTA of boxes (Luiten et al., IJCV 2021, section 5), with the matching of its public code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from posetrack.annotations.video import DoubleArray
from posetrack.evaluation.posetrack.hota import HotaCounts, count_matches
from posetrack.frame import IntArray


@dataclass(frozen=True, eq=False)
class FrameBoxes:
    """The G true and P tracked boxes of one frame.

    Attributes:
        true_tracks: (G,) number of the true track, from 0 without gaps in the sequence.
        tracks: (P,) number of the predicted track, likewise.
        similarities: (G, P) IoU.
    """

    true_tracks: IntArray
    tracks: IntArray
    similarities: DoubleArray


def count_box_hota(frames: Sequence[FrameBoxes], num_true_tracks: int, num_tracks: int) -> HotaCounts:
    """Match the boxes of a sequence for HOTA, and count.

    Boxes of a frame are matched once for all thresholds, with the largest sum of IoU times A. A says how well
    two tracks fit over the whole sequence: the Jaccard index of their frames, in which a frame counts as the
    pair's IoU over the sum of the IoUs of both boxes with all others.

    Args:
        frames: Frames in order.
        num_true_tracks: M.
        num_tracks: T.

    Returns:
        Counts of one type of keypoints, K = 1, for `posetrack.evaluation.posetrack.hota.compute_hota`.
    """
    true_frames, predicted_frames = np.zeros((num_true_tracks, 1), int), np.zeros((num_tracks, 1), int)
    together = np.zeros((num_true_tracks, num_tracks))
    for frame in frames:
        true_frames[frame.true_tracks] += 1
        predicted_frames[frame.tracks] += 1
        together[np.ix_(frame.true_tracks, frame.tracks)] += _normalize(frame.similarities)
    fit = together / np.maximum(true_frames + predicted_frames.T - together, 1e-9)

    persons, tracks, similarities = [np.zeros(0, int)], [np.zeros(0, int)], [np.zeros(0)]
    for frame in frames:
        weights = fit[np.ix_(frame.true_tracks, frame.tracks)] * frame.similarities
        rows, cols = linear_sum_assignment(weights, maximize=True)
        persons.append(frame.true_tracks[rows])
        tracks.append(frame.tracks[cols])
        similarities.append(frame.similarities[rows, cols])
    matched = np.concatenate(persons)
    return count_matches(
        np.zeros(len(matched), int),
        matched,
        np.concatenate(tracks),
        np.concatenate(similarities),
        true_frames=true_frames,
        predicted_frames=predicted_frames,
    )


def _normalize(similarities: DoubleArray) -> DoubleArray:
    """Each similarity over the sum of those of its row and column, (G, P); 0 where all are 0."""
    sums = similarities.sum(axis=0) + similarities.sum(axis=1, keepdims=True) - similarities
    normalized: DoubleArray = np.where(sums > np.finfo(float).eps, similarities / np.maximum(sums, 1e-15), 0.0)
    return normalized
