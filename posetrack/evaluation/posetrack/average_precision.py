"""Average precision of keypoints, independent of track ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posetrack.annotations.coco_style import MISSING_SCORE
from posetrack.annotations.video import DoubleArray
from posetrack.evaluation.posetrack.sequence import FramePair, Sequence
from posetrack.frame import BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class KeypointLabels:
    """Scores and labels (right or wrong) of all predicted keypoints of some sequences.

    Attributes:
        scores: For each of the K keypoints, the scores of its predictions, in the order of frames and people.
        labels: For each of the K keypoints, whether each prediction is right.
        num_annotated: (K,) number of annotated keypoints.
    """

    scores: tuple[DoubleArray, ...]
    labels: tuple[BoolArray, ...]
    num_annotated: IntArray


def assign_poses(pair: FramePair, annotated: BoolArray) -> IntArray:
    """Assign predicted to annotated poses by the fraction of matching keypoints (PCKh).

    Each prediction chooses the person with the largest fraction, then each person the prediction with the
    largest fraction. Scores are not used.

    Args:
        pair: G true and P predicted people of a frame.
        annotated: (G, K), which keypoints the true people have.

    Returns:
        (P,) row of the person among the G, -1 for a prediction without a person.
    """
    P, G = pair.distances.shape[:2]
    assigned = np.full(P, -1, np.int64)
    if P == 0 or G == 0:
        return assigned
    pck = pair.matches.sum(axis=2) / np.maximum(annotated.sum(axis=1), 1)
    best_person = pck.argmax(axis=1)
    kept = np.where(best_person[:, None] == np.arange(G), pck, 0.0)
    best_pose = kept.argmax(axis=0)
    is_found = kept.max(axis=0) > 0
    assigned[best_pose[is_found]] = np.flatnonzero(is_found)
    return assigned


def label_keypoints(sequence: Sequence, assigned: IntArray, is_right: BoolArray) -> KeypointLabels:
    """Collect scores and labels of every predicted keypoint.

    A keypoint of an assigned pose whose person lacks this annotation is a false positive, like all keypoints of
    an unassigned pose.

    Args:
        sequence: The sequence.
        assigned: (N,), -1 for each predicted pose without a person.
        is_right: (N, K), whether each keypoint matches that of its person.

    Returns:
        The labels.
    """
    present = sequence.predictions.present
    scores = np.nan_to_num(sequence.predictions.keypoint_scores, nan=MISSING_SCORE)
    labels = is_right & (assigned >= 0)[:, None]
    return KeypointLabels(
        scores=tuple(column[there] for column, there in zip(scores.T, present.T, strict=True)),
        labels=tuple(column[there] for column, there in zip(labels.T, present.T, strict=True)),
        num_annotated=sequence.truth.present.sum(axis=0),
    )


def compute_curve(
    scores: DoubleArray, labels: BoolArray, num_annotated: int, *, corrected: bool = False
) -> tuple[DoubleArray, DoubleArray]:
    """Compute precision and recall for decreasing score thresholds.

    The reference counts predictions of equal score one after another, in an order that depends on its sorting
    and on the order of the files; with `corrected` they are counted together, since no threshold separates
    them.

    Args:
        scores: (D,) of the predictions.
        labels: (D,) whether each is right.
        num_annotated: Number of annotated keypoints.
        corrected: Repair that.

    Returns:
        Precision and recall, (D,) each or fewer, by decreasing score; recall is NaN if nothing is annotated.
    """
    # Not a stable sort: exactly this expression orders equal scores as the reference does.
    order = np.asarray(scores, np.float64).argsort()[::-1]
    found = labels[order].cumsum()
    precision = found / np.arange(1, len(found) + 1)
    recall = found / num_annotated if num_annotated else np.full(len(found), np.nan)
    if corrected:
        last_of_score = np.diff(scores[order], append=-np.inf) != 0
        return precision[last_of_score], recall[last_of_score]
    return precision, recall


def integrate_curve(precision: DoubleArray, recall: DoubleArray) -> float:
    """Average precision by all-point interpolation (PASCAL VOC since 2010).

    Args:
        precision: (D,).
        recall: (D,), ascending.

    Returns:
        The area under the monotone envelope of the curve, from 0 to 1.
    """
    envelope = np.maximum.accumulate(np.concatenate([precision, [0.0]])[::-1])[::-1]
    steps = np.diff(np.concatenate([[0.0], recall, [1.0]]))
    return float((steps * envelope).sum())


def compute_average_precision(labels: KeypointLabels, *, corrected: bool = False) -> DoubleArray:
    """Compute average precision, final precision and final recall of each keypoint.

    The reference gives 0 for all three if nothing was predicted, even if nothing is annotated; with
    `corrected` a value whose denominator is 0 is undefined.

    Args:
        labels: Predictions of all sequences.
        corrected: Repair that.

    Returns:
        (3, K) in percent, NaN where undefined.
    """
    values = np.zeros((3, len(labels.scores)))
    for k, (scores, is_right) in enumerate(zip(labels.scores, labels.labels, strict=True)):
        num_annotated = int(labels.num_annotated[k])
        if len(scores):
            precision, recall = compute_curve(scores, is_right, num_annotated, corrected=corrected)
            values[:, k] = integrate_curve(precision, recall), precision[-1], recall[-1]
        elif corrected:
            values[:, k] = (0.0, np.nan, 0.0) if num_annotated else np.nan
    return 100 * values
