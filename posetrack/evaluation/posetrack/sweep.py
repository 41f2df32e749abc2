"""How AP and MOTA depend on the score from which predicted keypoints count.

Leaving out keypoints of low scores lowers AP, which ranks them anyway, and raises MOTA up to a point, since a
wrong keypoint costs there as much as a missing one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from posetrack.annotations.video import DoubleArray
from posetrack.evaluation.posetrack.evaluate import Mode, PoseTrackEvaluation, evaluate_in_modes
from posetrack.evaluation.posetrack.metrics import add_parts, append_total
from posetrack.evaluation.posetrack.mota import MotCounts, compute_mot
from posetrack.frame import IntArray

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(20))
"""The least scores that are tried: 0, 0.05, ..., 0.95."""


@dataclass(frozen=True, eq=False)
class Sweep:
    """The evaluations with T least scores of keypoints.

    Attributes:
        thresholds: (T,), ascending.
        ap: (T, 16) in percent, of the 15 keypoints and in total.
        mota: (T, 16) likewise; NaN without track ids.
        mot_precision: (T, 16) likewise.
        mot_recall: (T, 16) likewise.
        sequences: Names of the sequences, on which the best threshold is chosen.
        held_out_mota: (16,), MOTA where the threshold of each sequence is the best of all the others; NaN with
            fewer than two sequences.
    """

    thresholds: tuple[float, ...]
    ap: DoubleArray
    mota: DoubleArray
    mot_precision: DoubleArray
    mot_recall: DoubleArray
    sequences: tuple[str, ...]
    held_out_mota: DoubleArray

    @property
    def is_tracked(self) -> bool:
        """Whether there are track ids, and so MOTA."""
        return not np.isnan(self.mota[:, -1]).all()

    @property
    def best(self) -> int:
        """Position of the threshold with the highest total MOTA, or AP without track ids."""
        return _find_best(self.mota if self.is_tracked else self.ap, -1)

    @property
    def best_of_keypoints(self) -> IntArray:
        """The same of each of the 15 keypoints, (15,)."""
        values = self.mota if self.is_tracked else self.ap
        return np.array([_find_best(values, column) for column in range(values.shape[1] - 1)], np.int64)

    def to_dict(self) -> dict[str, object]:
        """All numbers for JSON; None where undefined."""
        return {
            "min_keypoint_score": list(self.thresholds),
            **{
                name: [_to_numbers(row) for row in getattr(self, name)]
                for name in ("ap", "mota", "mot_precision", "mot_recall")
            },
            "best": self.thresholds[self.best],
            "best_of_keypoints": [self.thresholds[i] for i in self.best_of_keypoints],
            "chosen_on": list(self.sequences),
            "held_out_mota": _to_numbers(self.held_out_mota),
        }


def _find_best(values: DoubleArray, column: int) -> int:
    return int(np.argmax(np.nan_to_num(values[:, column], nan=-np.inf)))


def _to_numbers(row: DoubleArray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in row.tolist()]


def sweep_keypoint_scores(
    truth_dir: Path,
    predictions_dir: Path,
    thresholds: tuple[float, ...] = THRESHOLDS,
    *,
    corrected: bool = False,
    num_workers: int = 1,
    raw: bool = False,
) -> Sweep:
    """Evaluate with one least score of keypoints after another, reading the files once.

    Args:
        truth_dir: As for `evaluate_posetrack`, like all below.
        predictions_dir: Likewise.
        thresholds: The least scores, ascending.
        corrected: Likewise.
        num_workers: Likewise.
        raw: Likewise.

    Raises:
        ResultsError: A folder or file is missing or not valid.
    """
    evaluations = evaluate_in_modes(
        truth_dir,
        predictions_dir,
        tuple(Mode(corrected, threshold) for threshold in thresholds),
        num_workers=num_workers,
        raw=raw,
    )
    totals = [evaluation.total for evaluation in evaluations]
    return Sweep(
        thresholds=thresholds,
        ap=np.stack([total.ap for total in totals]),
        mota=np.stack([total.mota for total in totals]),
        mot_precision=np.stack([total.mot_precision for total in totals]),
        mot_recall=np.stack([total.mot_recall for total in totals]),
        sequences=tuple(sorted(evaluations[0].per_sequence)),
        held_out_mota=_hold_out(evaluations, corrected=corrected),
    )


def _hold_out(evaluations: list[PoseTrackEvaluation], *, corrected: bool) -> DoubleArray:
    """MOTA (16,) with the threshold of each sequence chosen on all the others."""
    parts = [[each.counts.mot for each in evaluation.sequences] for evaluation in evaluations]
    counts = [[part for part in row if part is not None] for row in parts]
    num_sequences = len(parts[0])
    if num_sequences < 2 or any(len(row) < num_sequences for row in counts):
        return np.full_like(evaluations[0].total.mota, np.nan)
    totals = [add_parts(MotCounts, row) for row in counts]
    chosen = []
    for left_out in range(num_sequences):
        others = [_subtract(total, row[left_out]) for total, row in zip(totals, counts, strict=True)]
        mota = np.stack([append_total(compute_mot(each, corrected=corrected)["mota"]) for each in others])
        chosen.append(counts[_find_best(mota, -1)][left_out])
    return append_total(compute_mot(add_parts(MotCounts, chosen), corrected=corrected)["mota"])


def _subtract(total: MotCounts, part: MotCounts) -> MotCounts:
    names = [column.name for column in fields(MotCounts)]
    return MotCounts(**{name: getattr(total, name) - getattr(part, name) for name in names})
