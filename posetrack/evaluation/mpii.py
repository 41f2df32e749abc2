"""MPII's PCKh: the fraction of keypoints within half a head size of their annotation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.errors import ResultsError
from posetrack.evaluation.coco import Metrics
from posetrack.evaluation.mpii_files import MpiiTruth
from posetrack.skeleton import MPII_16

_HEAD_FRACTION = 0.6
_EXCLUDED = ("pelvis", "thorax")
_COLUMNS = {
    "Head": ("head_top",),
    **{
        part.capitalize(): (f"left_{part}", f"right_{part}")
        for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    },
}


@dataclass(frozen=True)
class MpiiMetrics:
    """PCKh, each from 0 to 1; None if undefined, because the joint is never annotated.

    Attributes:
        columns: Head, Shoulder, Elbow, Wrist, Hip, Knee, Ankle and Mean at 0.5 of the head size, and Mean@0.1,
            as papers print them.
        joints_at_half: PCKh@0.5 of each of the 16 joints, by the names of `MPII_16`.
        joints_at_tenth: PCKh@0.1 of each.
    """

    columns: Metrics
    joints_at_half: Metrics
    joints_at_tenth: Metrics


def evaluate_mpii(keypoints_xy: npt.ArrayLike, truth: MpiiTruth) -> MpiiMetrics:
    """Compute PCKh (Andriluka et al., CVPR 2014, section 5) with the columns that papers print.

    A joint is correct if its distance from the annotation is at most (<=) 0.5, or 0.1, of the head size, which
    is 0.6 of the diagonal of the head box. Joints that are not annotated do not count. The columns of left and
    right joints are the mean of both. The mean weights 14 joints by how often they are annotated, without
    pelvis and thorax. Both sets of coordinates are MATLAB's, from 1.

    Differs from HRNet (lib/dataset/mpii.py): its "Mean@0.1" is element 11 of the thresholds 0, 0.01, 0.02, ...
    and so is computed at 0.11; ours is at 0.1. If a joint is never annotated, its mean is NaN; ours is the mean
    of the other joints.

    Args:
        keypoints_xy: (N, 16, 2), pixels from 1, in the order of the people of `truth` and of `MPII_16`.
        truth: The annotations.

    Returns:
        The fractions.

    Raises:
        ResultsError: The predictions are not of this shape, or one is NaN or infinite.
    """
    predicted_xy = np.asarray(keypoints_xy, np.float64)
    shape = (len(truth.annotated), MPII_16.num_keypoints, 2)
    if predicted_xy.shape != shape:
        raise ResultsError(
            f"predictions: expected shape {shape}, one pose a person, found {predicted_xy.shape}"
        )
    if not np.isfinite(predicted_xy).all():
        person = int(np.argmax(~np.isfinite(predicted_xy).all(axis=(1, 2))))
        raise ResultsError(f"predictions: person {person} (from 0): NaN or infinity; correct the coordinates")
    with np.errstate(over="ignore"):  # A joint may have absurdly large coordinates; it is simply wrong.
        distances_px = np.linalg.norm(predicted_xy - truth.keypoints_xy, axis=2)
    head_sizes_px = _HEAD_FRACTION * truth.head_diagonals_px
    is_known = truth.annotated
    distances = np.full(is_known.shape, np.inf)
    np.divide(distances_px, head_sizes_px[:, None], out=distances, where=is_known)
    counts = is_known.sum(axis=0)
    at_half = ((distances <= 0.5) & is_known).sum(axis=0)
    at_tenth = ((distances <= 0.1) & is_known).sum(axis=0)
    by_joint = _fractions(at_half, counts)
    columns = {name: _mean([by_joint[joint] for joint in joints]) for name, joints in _COLUMNS.items()}
    counted = np.array([name not in _EXCLUDED for name in MPII_16.names])
    columns["Mean"] = _fraction(at_half[counted].sum(), counts[counted].sum())
    columns["Mean@0.1"] = _fraction(at_tenth[counted].sum(), counts[counted].sum())
    return MpiiMetrics(columns, joints_at_half=by_joint, joints_at_tenth=_fractions(at_tenth, counts))


def _fractions(found: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> Metrics:
    return {name: _fraction(found[k], counts[k]) for k, name in enumerate(MPII_16.names)}


def _fraction(found: np.int64, count: np.int64) -> float | None:
    return float(found / count) if count else None


def _mean(fractions: Sequence[float | None]) -> float | None:
    known = [fraction for fraction in fractions if fraction is not None]
    return sum(known) / len(known) if len(known) == len(fractions) else None
