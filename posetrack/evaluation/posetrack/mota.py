"""CLEAR MOT of keypoints: one accumulator per keypoint (Bernardin and Stiefelhagen, EURASIP JIVP 2008)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from posetrack.annotations.video import DoubleArray
from posetrack.frame import BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class MotCounts:
    """The counts from which CLEAR MOT is computed, (K,) each; they add up over sequences.

    Attributes:
        objects: Number of annotated keypoints.
        hypotheses: Number of predicted keypoints.
        detections: Number of matched pairs.
        switches: Number of pairs whose person was last matched with another track.
        distance: Sum over the pairs, in head sizes.
        event_distance: Sum over all events of py-motmetrics 1.4.0, which the reference tool uses instead: every
            candidate pair within the threshold counts once as a RAW event, and a matched pair once as a match
            and once more for each of ASCEND, TRANSFER and MIGRATE that it is.
    """

    objects: IntArray
    hypotheses: IntArray
    detections: IntArray
    switches: IntArray
    distance: DoubleArray
    event_distance: DoubleArray


@dataclass(frozen=True, eq=False)
class FrameMatches:
    """What became of the keypoints of the G true and P predicted people of one frame.

    Attributes:
        true_present: (G, K), which keypoints the true people have.
        predicted_present: (P, K), which the predicted ones have.
        found: (G, K), which of the true ones are matched.
        switched: (G, K), which of these with another track than the person's last one.
        used: (P, K), which of the predicted ones are matched.
    """

    true_present: BoolArray
    predicted_present: BoolArray
    found: BoolArray
    switched: BoolArray
    used: BoolArray


def leave_unmatched(true_present: BoolArray, predicted_present: BoolArray) -> FrameMatches:
    """A frame in which no keypoint, true (G, K) or predicted (P, K), is matched yet."""
    blank = np.zeros_like(true_present)
    return FrameMatches(true_present, predicted_present, blank, blank.copy(), np.zeros_like(predicted_present))


class MotAccumulator:
    """Accumulates the matches of one sequence, frame by frame.

    A pair of an earlier frame, however long ago, is kept if it is still valid; then the rest is matched with
    the least total distance. AP's assignment of poses is not used.

    Args:
        num_true_tracks: Number of tracks of the ground truth.
        num_predicted_tracks: Number of tracks of the predictions.
        num_keypoints: K.
    """

    def __init__(self, num_true_tracks: int, num_predicted_tracks: int, num_keypoints: int) -> None:
        K = num_keypoints
        self._objects = np.zeros(K, np.int64)
        self._hypotheses = np.zeros(K, np.int64)
        self._detections = np.zeros(K, np.int64)
        self._switches = np.zeros(K, np.int64)
        self._distance = np.zeros(K)
        self._event_distance = np.zeros(K)
        # The last match of each true track, -1 before there is one.
        self._partner = np.full((num_true_tracks, K), -1, np.int64)
        # The last person that a predicted track was newly matched with.
        self._last_person = np.full((num_predicted_tracks, K), -1, np.int64)
        self._row_of_track = np.full(num_predicted_tracks, -1, np.int64)

    def count_unmatched(self, objects: IntArray | int, hypotheses: IntArray | int) -> None:
        """Count keypoints without a match: (K,) each, or one number for all."""
        self._objects += objects
        self._hypotheses += hypotheses

    def update(
        self,
        true_tracks: IntArray,
        true_present: BoolArray,
        predicted_tracks: IntArray,
        predicted_present: BoolArray,
        distances: DoubleArray,
        matches: BoolArray,
    ) -> FrameMatches:
        """Add the next frame.

        Args:
            true_tracks: (G,).
            true_present: (G, K).
            predicted_tracks: (P,), without duplicates.
            predicted_present: (P, K).
            distances: (P, G, K), in head sizes.
            matches: (P, G, K), which pairs are within the threshold.

        Returns:
            What became of its keypoints.
        """
        result = leave_unmatched(true_present, predicted_present)
        self.count_unmatched(true_present.sum(axis=0), predicted_present.sum(axis=0))
        self._event_distance += np.where(matches, distances, 0.0).sum(axis=(0, 1))
        persons, poses, keypoints = self._keep(true_tracks, predicted_tracks, matches)
        result.found[persons, keypoints] = result.used[poses, keypoints] = True
        kept = distances[poses, persons, keypoints]
        sums = np.bincount(keypoints, kept, minlength=len(self._objects))
        self._detections += np.bincount(keypoints, minlength=len(self._objects))
        self._distance += sums
        self._event_distance += sums
        rest = matches.copy()
        rest[:, persons, keypoints] = False
        rest[poses, :, keypoints] = False
        if not rest.any():
            return result
        # Where each pair is the only one of its person and of its pose, there is nothing to choose.
        is_open = (rest.sum(axis=0) > 1).any(axis=0) | (rest.sum(axis=1) > 1).any(axis=0)
        chosen = [np.nonzero((rest & ~is_open).transpose(2, 1, 0))]
        for k in np.flatnonzero(is_open).tolist():
            poses, persons = pair_nearest(distances[:, :, k], rest[:, :, k])
            chosen.append((np.full(len(poses), k), persons, poses))
        for keypoints, persons, poses in chosen:
            result.found[persons, keypoints] = result.used[poses, keypoints] = True
            result.switched[persons, keypoints] = self._pair(
                true_tracks[persons],
                predicted_tracks[poses],
                keypoints,
                distances[poses, persons, keypoints],
            )
        return result

    def _keep(
        self, true_tracks: IntArray, predicted_tracks: IntArray, matches: BoolArray
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Find the earlier pairs that are still valid: rows of people and poses, and keypoints."""
        self._row_of_track[predicted_tracks] = np.arange(len(predicted_tracks))
        partner = self._partner[true_tracks]
        poses_of = np.where(partner >= 0, self._row_of_track[partner], -1)
        self._row_of_track[predicted_tracks] = -1
        persons, keypoints = np.nonzero(poses_of >= 0)
        poses = poses_of[persons, keypoints]
        valid = matches[poses, persons, keypoints]
        persons, keypoints, poses = persons[valid], keypoints[valid], poses[valid]
        # Two people may have the same last match: the first of them keeps it.
        _, first = np.unique(poses * matches.shape[2] + keypoints, return_index=True)
        return persons[first], poses[first], keypoints[first]

    def _pair(
        self, persons: IntArray, tracks: IntArray, keypoints: IntArray, distances: DoubleArray
    ) -> BoolArray:
        """Count new pairs, (N,) each; a keypoint of a person or of a track is in one of them at most.

        Returns:
            Which of them are switches.
        """
        last = self._partner[persons, keypoints]
        is_switch: BoolArray = (last != -1) & (last != tracks)
        last_person = self._last_person[tracks, keypoints]
        is_ascend = is_switch & (last_person == -1)
        is_transfer = (last_person != -1) & (last_person != persons)
        is_migrate = is_transfer & (last == -1)
        events = 1 + is_ascend.astype(np.int64) + is_transfer + is_migrate
        np.add.at(self._detections, keypoints, 1)
        np.add.at(self._switches, keypoints, is_switch)
        np.add.at(self._distance, keypoints, distances)
        np.add.at(self._event_distance, keypoints, distances * events)
        self._partner[persons, keypoints] = tracks
        self._last_person[tracks, keypoints] = persons
        return is_switch

    def counts(self) -> MotCounts:
        """The counts so far."""
        return MotCounts(
            self._objects,
            self._hypotheses,
            self._detections,
            self._switches,
            self._distance,
            self._event_distance,
        )


def pair_nearest(distances: DoubleArray, valid: BoolArray) -> tuple[IntArray, IntArray]:
    """Match as many pairs as possible with the least total distance (Hungarian method).

    Args:
        distances: (P, G).
        valid: (P, G), which pairs are allowed.

    Returns:
        Rows and columns of the pairs, by column.
    """
    # One such pair costs more than any number of valid ones.
    dear = 2 * min(valid.shape) * (distances[valid].max(initial=0.0) + 1) + 1
    columns, rows = linear_sum_assignment(np.where(valid, distances, dear).T)
    kept = valid[rows, columns]
    return rows[kept], columns[kept]


def compute_mot(counts: MotCounts, *, corrected: bool = False) -> dict[str, DoubleArray]:
    """Compute CLEAR MOT of each keypoint.

        MOTA = 1 - (misses + switches + false positives) / objects
        MOTP = 1 - distance / detections
        precision = detections / hypotheses,  recall = detections / objects

    Args:
        counts: Summed over sequences.
        corrected: MOTP without the reference's event sum, and undefined if nothing was matched.

    Returns:
        `mota`, `motp`, `motp_clean`, `mot_precision`, `mot_recall`: (K,) in percent, NaN where undefined.
    """
    misses = counts.objects - counts.detections
    false_positives = counts.hypotheses - counts.detections
    objects = _undefine_zeros(counts.objects)
    detections = _undefine_zeros(counts.detections)
    clean = 1 - counts.distance / detections
    if corrected:
        motp = clean
    else:
        motp = np.nan_to_num(1 - counts.event_distance / detections)
        clean = np.nan_to_num(clean)
    values = {
        "mota": 1 - (misses + counts.switches + false_positives) / objects,
        "motp": motp,
        "motp_clean": clean,
        "mot_precision": counts.detections / _undefine_zeros(counts.hypotheses),
        "mot_recall": counts.detections / objects,
    }
    return {name: 100 * value for name, value in values.items()}


def _undefine_zeros(counts: IntArray) -> DoubleArray:
    return np.where(counts == 0, np.nan, counts)
