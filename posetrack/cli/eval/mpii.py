"""`posetrack eval mpii`: PCKh."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from posetrack.cli.eval.metrics import check_metrics_file, format_percent, print_metrics, write_metrics

if TYPE_CHECKING:
    from posetrack.evaluation.mpii import MpiiMetrics


def mpii_command(
    gt: Annotated[
        Path,
        typer.Option("--gt", help="gt_valid.mat as HRNet has it, or JSON; pixels from 1.", show_default=False),
    ],
    pred: Annotated[
        Path,
        typer.Option(
            "--pred",
            help="Poses in the order of the annotations: HRNet's pred.mat, or JSON; pixels from 1, as MATLAB "
            "has them and HRNet saves them.",
            show_default=False,
        ),
    ],
    zero_based: Annotated[
        bool, typer.Option("--zero-based", help="The predictions are pixels from 0: add 1.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Also write the numbers, from 0 to 1, as JSON.", show_default=False)
    ] = None,
) -> None:
    """Evaluate single-person poses as MPII does: PCKh at 0.5 and 0.1 of the head size."""
    from posetrack.evaluation.mpii import evaluate_mpii
    from posetrack.evaluation.mpii_files import read_mpii_predictions, read_mpii_truth

    check_metrics_file(out, [gt, pred])
    truth = read_mpii_truth(gt)
    poses_xy = read_mpii_predictions(pred, len(truth.annotated), is_zero_based=zero_based)
    metrics = evaluate_mpii(poses_xy, truth)
    if out is not None:
        write_metrics(list_metrics(metrics), out)
    print_mpii_metrics("MPII PCKh@0.5", metrics)


def list_metrics(metrics: MpiiMetrics) -> dict[str, object]:
    """The numbers by name, from 0 to 1, as they are written."""
    joints = {"PCKh@0.5": metrics.joints_at_half, "PCKh@0.1": metrics.joints_at_tenth}
    return {**metrics.columns, **joints}


def print_mpii_metrics(title: str, metrics: MpiiMetrics) -> None:
    """Print the columns of papers, and a row for each joint, in percent."""
    print_metrics(title, metrics.columns)
    _print_joints(metrics.joints_at_half, metrics.joints_at_tenth)


def _print_joints(at_half: Mapping[str, float | None], at_tenth: Mapping[str, float | None]) -> None:
    table = Table(title="Each joint (percent)", title_justify="left", box=SIMPLE_HEAD)
    table.add_column("joint")
    table.add_column("PCKh@0.5", justify="right")
    table.add_column("PCKh@0.1", justify="right")
    for name, fraction in at_half.items():
        table.add_row(name, format_percent(fraction), format_percent(at_tenth[name]))
    Console(highlight=False).print(table)
