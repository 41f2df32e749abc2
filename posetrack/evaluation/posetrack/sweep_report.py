"""Tables of a sweep of the least keypoint score, for the terminal."""

from __future__ import annotations

import numpy as np
from rich.table import Table

from posetrack.evaluation.posetrack.metrics import append_total
from posetrack.evaluation.posetrack.report import CORRECTED_NOTE, format_percent, make_titled_table
from posetrack.evaluation.posetrack.sweep import Sweep
from posetrack.skeleton import POSETRACK_15


def make_sweep_tables(sweep: Sweep, *, corrected: bool = False) -> list[Table]:
    """Make the tables of a sweep of the least keypoint score.

    Args:
        sweep: The sweep.
        corrected: Whether the evaluation is corrected.

    Returns:
        AP and MOTA by threshold; and by keypoint at 0, at the best threshold and at the keypoint's own best.
    """
    note = f" {CORRECTED_NOTE}" if corrected else ""
    curves = make_titled_table(f"By least keypoint score{note}", ("Score", "AP", "MOTA", "Prec", "Rec", ""))
    best_ap = int(np.nan_to_num(sweep.ap[:, -1], nan=-np.inf).argmax())
    for i, threshold in enumerate(sweep.thresholds):
        marks = [name for name, best in (("best AP", best_ap), ("best MOTA", sweep.best)) if i == best]
        columns = (sweep.ap, sweep.mota, sweep.mot_precision, sweep.mot_recall)
        marks = marks if sweep.is_tracked else marks[:1]
        curves.add_row(
            f"{threshold:g}", *(format_percent(column[i, -1]) for column in columns), ", ".join(marks)
        )
    headings = ("Keypoint", "Own\nbest", "MOTA\nat 0", "at\nbest", "at\nown", "AP\nat 0", "at\nbest", "at\nown")
    keypoints = make_titled_table(f"By keypoint{note}", headings)
    own = sweep.best_of_keypoints
    for k, (name, row) in enumerate(zip(POSETRACK_15.names, own.tolist(), strict=True)):
        cells = [table[i, k] for table in (sweep.mota, sweep.ap) for i in (0, sweep.best, row)]
        keypoints.add_row(name, f"{sweep.thresholds[row]:g}", *map(format_percent, cells))
    keypoints.add_section()
    totals = []
    for table in (sweep.mota, sweep.ap):
        own_total = append_total(table[own, np.arange(len(own))])[-1]
        totals += [table[0, -1], table[sweep.best, -1], own_total]
    keypoints.add_row("total", "", *map(format_percent, totals))
    keypoints.caption = f"best: {sweep.thresholds[sweep.best]:g} for all keypoints"
    return [curves, keypoints]


def describe_choice(sweep: Sweep) -> str:
    """Say on which sequences the best least score was chosen, and what it gives on others."""
    names = ", ".join(sweep.sequences[:3]) + (", ..." if len(sweep.sequences) > 3 else "")
    count = len(sweep.sequences)
    what = "MOTA" if sweep.is_tracked else "AP"
    text = (
        f"{sweep.thresholds[sweep.best]:g} has the best {what} on the {count} "
        f"sequence{'s' if count > 1 else ''} that it was chosen on: {names}"
    )
    if np.isnan(sweep.held_out_mota[-1]):
        return text
    return (
        f"{text}; with the score of each sequence chosen on the others, MOTA is "
        f"{format_percent(sweep.held_out_mota[-1])}"
    )
