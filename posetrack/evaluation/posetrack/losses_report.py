"""Tables of where MOTA is lost, and of what a least keypoint score costs, for the terminal and as JSON."""

from __future__ import annotations

import numpy as np
from rich.table import Table

from posetrack.annotations.video import DoubleArray
from posetrack.evaluation.posetrack.evaluate import PoseTrackEvaluation
from posetrack.evaluation.posetrack.losses import CAUSES, LARGE_PX, SIZES, SMALL_PX, LossCounts
from posetrack.evaluation.posetrack.metrics import NAMES, add_parts, append_total
from posetrack.evaluation.posetrack.report import CORRECTED_NOTE, format_percent, make_titled_table

_ROWS = {
    "small": f"small, under {SMALL_PX:g} px",
    "medium": "medium",
    "large": f"large, from {LARGE_PX:g} px",
    "alone": "nobody on one side",
}
_HEADINGS = ("Misses", "False\npositives", "Switches", "Lost")


def add_losses(evaluation: PoseTrackEvaluation) -> LossCounts | None:
    """The losses of all sequences together; None if some have no track ids."""
    parts = [sequence.counts.losses for sequence in evaluation.sequences]
    known = [part for part in parts if part is not None]
    return add_parts(LossCounts, known) if len(known) == len(parts) else None


def describe_losses(losses: LossCounts) -> dict[str, object]:
    """Lost points of MOTA for JSON: by keypoint and in total (16,), and by size of people in total."""
    points = losses.compute_points()
    by_keypoint = {cause: append_total(points[cause].sum(axis=0)) for cause in CAUSES}
    by_size = {
        size: {cause: _to_json(_average(points[cause][row])) for cause in CAUSES}
        for row, size in enumerate(SIZES)
    }
    return {
        "by_keypoint": {
            cause: [_to_json(value) for value in values.tolist()] for cause, values in by_keypoint.items()
        },
        "by_size": by_size,
    }


def make_loss_tables(losses: LossCounts, *, corrected: bool = False) -> list[Table]:
    """Make the tables of lost points of MOTA: by keypoint, and by size of people.

    Args:
        losses: The counts.
        corrected: Whether the evaluation is corrected.
    """
    note = f" {CORRECTED_NOTE}" if corrected else ""
    points = losses.compute_points()
    keypoints = make_titled_table(f"Lost MOTA by keypoint{note}", ("Keypoint", *_HEADINGS))
    columns = [append_total(points[cause].sum(axis=0)) for cause in CAUSES]
    for row, name in enumerate(NAMES):
        if name == "total":
            keypoints.add_section()
        values = [float(column[row]) for column in columns]
        keypoints.add_row(name, *map(format_percent, (*values, sum(values))))
    sizes = make_titled_table(f"Lost MOTA by size of the person{note}", ("Person", "Keypoints", *_HEADINGS))
    shares = [_average(100 * row / np.maximum(losses.objects.sum(axis=0), 1)) for row in losses.objects]
    for row, size in enumerate(SIZES):
        values = [_average(points[cause][row]) for cause in CAUSES]
        sizes.add_row(_ROWS[size], *map(format_percent, (shares[row], *values, sum(values))))
    sizes.caption = "misses and switches by the true person, false positives by the predicted one"
    return [keypoints, sizes]


def _to_json(value: float) -> float | None:
    return None if np.isnan(value) else value


def _average(values: DoubleArray) -> float:
    return float(append_total(values)[-1])


def make_cost_table(
    without: PoseTrackEvaluation, shown: PoseTrackEvaluation, min_score: float, *, corrected: bool = False
) -> Table:
    """Make the table of what a least keypoint score costs and brings, by keypoint.

    Args:
        without: The evaluation of all keypoints.
        shown: That of those that reach the score.
        min_score: The score.
        corrected: Whether both are corrected.
    """
    before, after = (add_losses(evaluation) for evaluation in (without, shown))
    table = make_titled_table(
        f"What a least keypoint score of {min_score:g} changes{f' {CORRECTED_NOTE}' if corrected else ''}",
        ("Keypoint", "AP", "MOTA", *_HEADINGS[:3]),
    )
    lost = [np.full(len(NAMES), np.nan)] * len(CAUSES)
    if before is not None and after is not None:
        points = [losses.compute_points() for losses in (before, after)]
        lost = [append_total((points[1][cause] - points[0][cause]).sum(axis=0)) for cause in CAUSES]
    changes = [shown.total.ap - without.total.ap, shown.total.mota - without.total.mota, *lost]
    for row, name in enumerate(NAMES):
        if name == "total":
            table.add_section()
        table.add_row(name, *(_format_change(float(change[row])) for change in changes))
    table.caption = "points of AP and MOTA; of the causes, more (+) or fewer (-) points lost"
    return table


def _format_change(value: float) -> str:
    text = format_percent(value)
    return f"+{text}" if value > 0 and not text.startswith("0.0") else text
