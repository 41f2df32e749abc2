"""PoseTrackMetrics: all metrics of an evaluation, per keypoint and in total."""

from __future__ import annotations

import math
from collections.abc import Sequence as Many
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from posetrack.annotations.video import DoubleArray
from posetrack.evaluation.posetrack.average_precision import KeypointLabels, compute_average_precision
from posetrack.evaluation.posetrack.hota import HotaCounts, compute_hota
from posetrack.evaluation.posetrack.losses import LossCounts
from posetrack.evaluation.posetrack.mota import MotCounts, compute_mot
from posetrack.skeleton import POSETRACK_15

T = TypeVar("T", MotCounts, HotaCounts, LossCounts)

NAMES = (*POSETRACK_15.names, "total")
"""Names of the 16 values of a metric: 15 keypoints and the total."""

COLUMNS = {
    "Head": ("head_top", "neck", "nose"),
    "Shou": ("right_shoulder", "left_shoulder"),
    "Elb": ("right_elbow", "left_elbow"),
    "Wri": ("right_wrist", "left_wrist"),
    "Hip": ("right_hip", "left_hip"),
    "Knee": ("right_knee", "left_knee"),
    "Ankl": ("right_ankle", "left_ankle"),
    "Total": ("total",),
}
"""The columns of the papers' tables, each the mean of these values."""


@dataclass(frozen=True, eq=False)
class PoseTrackMetrics:
    """The metrics, (16,) each in percent: 15 keypoints and the total, `NAMES`; NaN where undefined.

    Attributes:
        ap: Average precision.
        ap_precision: Precision of all predictions.
        ap_recall: Recall of all predictions.
        mota: CLEAR MOT accuracy.
        motp: CLEAR MOT precision as the reference tool reports it.
        motp_clean: CLEAR MOT precision as it is defined, over the matched pairs.
        mot_precision: Fraction of the predicted keypoints that were matched in tracking.
        mot_recall: Fraction of the annotated keypoints that were matched in tracking.
        hota: Higher order tracking accuracy.
        deta: Its detection part.
        assa: Its association part.
        fraga: The fragmentation-aware association part.
        fa_hota: The fragmentation-aware HOTA.
    """

    ap: DoubleArray
    ap_precision: DoubleArray
    ap_recall: DoubleArray
    mota: DoubleArray
    motp: DoubleArray
    motp_clean: DoubleArray
    mot_precision: DoubleArray
    mot_recall: DoubleArray
    hota: DoubleArray
    deta: DoubleArray
    assa: DoubleArray
    fraga: DoubleArray
    fa_hota: DoubleArray

    def to_dict(self) -> dict[str, list[float | None]]:
        """The metrics by name for JSON: None where undefined."""
        return {
            entry.name: [None if math.isnan(value) else value for value in getattr(self, entry.name).tolist()]
            for entry in fields(self)
        }


@dataclass(frozen=True, eq=False)
class SequenceCounts:
    """The counts from which the metrics of one or several sequences are computed.

    Attributes:
        labels: Scores and labels of all predicted keypoints.
        mot: Counts for CLEAR MOT; None if there are no track ids.
        hota: Counts for HOTA; None if there are no track ids.
        losses: What MOTA is lost by; None if there are no track ids.
    """

    labels: KeypointLabels
    mot: MotCounts | None
    hota: HotaCounts | None
    losses: LossCounts | None = None


def add_counts(parts: Many[SequenceCounts]) -> SequenceCounts:
    """Add the counts of several sequences; tracking is evaluated only if all of them have track ids."""
    labels = KeypointLabels(
        scores=tuple(
            np.concatenate(column) for column in zip(*(part.labels.scores for part in parts), strict=True)
        ),
        labels=tuple(
            np.concatenate(column) for column in zip(*(part.labels.labels for part in parts), strict=True)
        ),
        num_annotated=np.sum([part.labels.num_annotated for part in parts], axis=0),
    )
    mot = [part.mot for part in parts if part.mot is not None]
    hota = [part.hota for part in parts if part.hota is not None]
    losses = [part.losses for part in parts if part.losses is not None]
    is_tracked = len(mot) == len(hota) == len(parts)
    return SequenceCounts(
        labels,
        add_parts(MotCounts, mot) if is_tracked else None,
        add_parts(HotaCounts, hota) if is_tracked else None,
        add_parts(LossCounts, losses) if is_tracked else None,
    )


def add_parts(kind: type[T], parts: Many[T]) -> T:
    """Add the counts of one or more sequences, of one kind."""
    return kind(
        **{entry.name: np.sum([getattr(part, entry.name) for part in parts], axis=0) for entry in fields(kind)}
    )


def compute_metrics(counts: SequenceCounts, *, corrected: bool = False) -> PoseTrackMetrics:
    """Compute all metrics.

    Args:
        counts: Counts of one sequence, or of several together.
        corrected: Repair the reference tool's quirks.

    Returns:
        The metrics; the total is the mean over the keypoints with a defined value.
    """
    ap, precision, recall = compute_average_precision(counts.labels, corrected=corrected)
    undefined = np.full(POSETRACK_15.num_keypoints, np.nan)
    mot = dict.fromkeys(("mota", "motp", "motp_clean", "mot_precision", "mot_recall"), undefined)
    if counts.mot is not None:
        mot = compute_mot(counts.mot, corrected=corrected)
    hota = dict.fromkeys(("hota", "deta", "assa", "fraga", "fa_hota"), undefined)
    if counts.hota is not None:
        hota = compute_hota(counts.hota)
    values = {"ap": ap, "ap_precision": precision, "ap_recall": recall, **mot, **hota}
    return PoseTrackMetrics(**{name: append_total(value) for name, value in values.items()})


def append_total(values: DoubleArray) -> DoubleArray:
    """Append to the values of K keypoints the mean of those that are defined, (K + 1,)."""
    defined = values[~np.isnan(values)]
    return np.append(values, defined.mean() if len(defined) else np.nan)


def summarize(values: DoubleArray) -> dict[str, float]:
    """Compute the columns of the papers' tables from one metric.

    Args:
        values: (16,).

    Returns:
        A value for each of `COLUMNS`; NaN if one of its keypoints is undefined.
    """
    return {
        title: float(np.mean([values[NAMES.index(name)] for name in names])) for title, names in COLUMNS.items()
    }
