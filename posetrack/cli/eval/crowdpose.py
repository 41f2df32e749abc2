"""`posetrack eval crowdpose`: keypoint AP, also by how crowded the image is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posetrack.cli.eval.metrics import check_metrics_file, print_metrics, write_metrics


def crowdpose_command(
    gt: Annotated[Path, typer.Option("--gt", help="CrowdPose annotations (JSON).", show_default=False)],
    pred: Annotated[
        Path, typer.Option("--pred", help="COCO results with 14 keypoints (JSON).", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(help="Also write the numbers, from 0 to 1, as JSON.", show_default=False)
    ] = None,
) -> None:
    """Evaluate results as CrowdPose does: AP and AR, and AP of easy, medium and hard images."""
    from posetrack.evaluation.coco_files import read_coco_annotations, read_coco_results
    from posetrack.evaluation.crowdpose import evaluate_crowdpose

    check_metrics_file(out, [gt, pred])
    annotations = read_coco_annotations(gt)
    metrics = evaluate_crowdpose(
        annotations,
        read_coco_results(pred, annotations),
        annotations_name=str(gt),
        results_name=str(pred),
    )
    if out is not None:
        write_metrics(metrics, out)
    print_metrics("CrowdPose keypoints", metrics)
