"""HOTA of keypoints, and its fragmentation-aware variant (PoseTrack21, Doering et al., CVPR 2022).

HOTA: Luiten et al., "HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking", IJCV 2021.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from posetrack.annotations.video import DoubleArray
from posetrack.evaluation.posetrack.sequence import Sequence
from posetrack.frame import IntArray

ALPHAS = np.arange(1, 20) * 0.05
"""The similarity thresholds, 0.05 to 0.95."""

_ZERO_SIMILARITY_DISTANCE = 0.5001


@dataclass(frozen=True, eq=False)
class HotaCounts:
    """The counts from which HOTA is computed; they add up over sequences.

    Attributes:
        objects: (K,) number of annotated keypoints.
        hypotheses: (K,) number of predicted keypoints.
        detections: (A, K) number of pairs with a similarity of at least alpha: TP.
        association: (A, K) sum over TP c of A(c) = TPA / (TPA + FNA + FPA).
        fragments: (A, K) the same sum with TPA counted within the fragment of c only.
    """

    objects: IntArray
    hypotheses: IntArray
    detections: IntArray
    association: DoubleArray
    fragments: DoubleArray


def compute_similarities(distances: DoubleArray) -> DoubleArray:
    """Compute the similarity of keypoints: max(0, 1 - d / 0.5001), with d in head sizes."""
    return np.maximum(0.0, 1 - distances / _ZERO_SIMILARITY_DISTANCE)


@dataclass
class HotaMatches:
    """Collects the matched keypoints of a sequence, frame by frame; one matching serves every alpha."""

    _columns: list[tuple[IntArray, IntArray, IntArray, DoubleArray]] = field(default_factory=list)

    def update(self, true_tracks: IntArray, predicted_tracks: IntArray, similarities: DoubleArray) -> None:
        """Match the keypoints of the next frame, each type separately, with the largest total similarity.

        Args:
            true_tracks: (G,).
            predicted_tracks: (P,).
            similarities: (P, G, K).
        """
        near = similarities > 0
        # A pair without competitors is part of the best assignment; the others are assigned.
        alone = near & (near.sum(axis=0) == 1)[None] & (near.sum(axis=1) == 1)[:, None]
        poses, persons, keypoints = np.nonzero(alone)
        rest = near & ~alone
        for k in np.flatnonzero(rest.any(axis=(0, 1))):
            rows, columns = linear_sum_assignment(
                np.where(rest[:, :, k], similarities[:, :, k], 0.0), maximize=True
            )
            chosen = rest[rows, columns, k]
            poses = np.append(poses, rows[chosen])
            persons = np.append(persons, columns[chosen])
            keypoints = np.append(keypoints, np.full(chosen.sum(), k))
        self._columns.append(
            (
                keypoints,
                true_tracks[persons],
                predicted_tracks[poses],
                similarities[poses, persons, keypoints],
            )
        )

    def counts(self, sequence: Sequence) -> HotaCounts:
        """Make the counts for `compute_hota`.

        Args:
            sequence: The sequence of which all frames were given.

        Returns:
            Its counts.
        """
        true_frames = _count_by_track(sequence.truth.present, sequence.truth.tracks, sequence.truth.num_tracks)
        predicted_frames = _count_by_track(
            sequence.predictions.present, sequence.predictions.tracks, sequence.predictions.num_tracks
        )
        empty: tuple[IntArray, IntArray, IntArray, DoubleArray]
        empty = (np.zeros(0, int), np.zeros(0, int), np.zeros(0, int), np.zeros(0))
        columns = [np.concatenate(parts) for parts in zip(empty, *self._columns, strict=True)]
        return count_matches(*columns, true_frames=true_frames, predicted_frames=predicted_frames)


def count_matches(
    keypoints: IntArray,
    persons: IntArray,
    tracks: IntArray,
    similarities: DoubleArray,
    *,
    true_frames: IntArray,
    predicted_frames: IntArray,
) -> HotaCounts:
    """Make the counts of a sequence from its matches. Boxes are counted as one keypoint, K = 1.

    Args:
        keypoints: (N,) the keypoint of each match; matches come in the order of time.
        persons: (N,) its true track.
        tracks: (N,) its predicted track.
        similarities: (N,) from 0 to 1.
        true_frames: (M, K) in how many frames each true track has each keypoint.
        predicted_frames: (T, K) likewise of each predicted track.

    Returns:
        The counts for `compute_hota`.
    """
    K = true_frames.shape[1]
    # Sorted by keypoint, true track and time.
    order = np.lexsort((persons, keypoints))
    keypoints, persons, tracks = keypoints[order], persons[order], tracks[order]
    similarities = similarities[order]
    pairs = np.ravel_multi_index((keypoints, persons, tracks), (K, len(true_frames), len(predicted_frames)))
    _, pairs = np.unique(pairs, return_inverse=True)
    detections = np.zeros((len(ALPHAS), K), np.int64)
    association, fragments = np.zeros((len(ALPHAS), K)), np.zeros((len(ALPHAS), K))
    for a, alpha in enumerate(ALPHAS):
        found = similarities >= alpha - np.finfo(float).eps
        k, person, track, pair = keypoints[found], persons[found], tracks[found], pairs[found]
        detections[a] = np.bincount(k, minlength=K)
        together = np.bincount(pair)[pair]
        either = true_frames[person, k] + predicted_frames[track, k] - together
        association[a] = np.bincount(k, together / either, minlength=K)
        # A fragment: consecutive matches of a person with the same track; misses in between do not end it.
        fragment_of = np.cumsum(np.diff(pair, prepend=-1) != 0) - 1
        lengths = np.bincount(fragment_of)[fragment_of] if len(pair) else fragment_of
        fragments[a] = np.bincount(k, lengths / either, minlength=K)
    return HotaCounts(true_frames.sum(axis=0), predicted_frames.sum(axis=0), detections, association, fragments)


def _count_by_track(present: np.ndarray, tracks: IntArray, num_tracks: int) -> IntArray:
    """Count the frames in which each track has each keypoint, (M, K)."""
    counts = np.zeros((num_tracks, present.shape[1]), np.int64)
    np.add.at(counts, tracks, present)
    return counts


def compute_hota(counts: HotaCounts) -> dict[str, DoubleArray]:
    """Compute HOTA of each keypoint, averaged over alpha.

        DetA = TP / (TP + FN + FP)
        AssA = 1/TP sum over TP c of A(c)
        HOTA = sqrt(DetA AssA)
        FragA = AssA with the matches of c's own fragment for TPA in the numerator
        FA-HOTA = sqrt(DetA sqrt(AssA FragA))

    Differs from PoseTrack21's public code: in a frame in which one side is empty, that counts the false
    negatives and false positives of the whole sequence; here they are the frame's own.

    Args:
        counts: Summed over sequences.

    Returns:
        `hota`, `deta`, `assa`, `fraga`, `fa_hota`: (K,) in percent, NaN where nothing is annotated and nothing
        predicted.
    """
    union = counts.objects + counts.hypotheses - counts.detections
    detections = np.maximum(1, counts.detections)
    deta = np.where(union > 0, counts.detections / np.maximum(1, union), np.nan)
    assa = np.where(union > 0, counts.association / detections, np.nan)
    fraga = np.where(union > 0, counts.fragments / detections, np.nan)
    values = {
        "hota": np.sqrt(deta * assa),
        "deta": deta,
        "assa": assa,
        "fraga": fraga,
        "fa_hota": np.sqrt(deta * np.sqrt(assa * fraga)),
    }
    return {name: 100 * value.mean(axis=0) for name, value in values.items()}
