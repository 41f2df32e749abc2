"""`posetrack eval coco`: AP and AR of keypoints, boxes or masks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from models.settings import suggest
from posetrack.cli.eval.metrics import check_metrics_file, print_metrics, write_metrics
from posetrack.errors import ResultsError
from posetrack.skeleton import SKELETONS
from posetrack.skeleton_files import read_skeleton


def coco_command(
    gt: Annotated[Path, typer.Option("--gt", help="COCO annotations (JSON).", show_default=False)],
    pred: Annotated[
        Path,
        typer.Option("--pred", help="COCO results, or our own coco.json (JSON).", show_default=False),
    ],
    iou_type: Annotated[str, typer.Option("--type", help="keypoints, bbox or segm.")] = "keypoints",
    sigmas: Annotated[
        str | None,
        typer.Option(
            help=f"OKS sigmas: of a skeleton ({', '.join(SKELETONS)}, or a TOML file), or numbers with commas.",
            show_default="those of the annotations' keypoints",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Also write the numbers, from 0 to 1, as JSON.", show_default=False)
    ] = None,
) -> None:
    """Evaluate results as COCO does: AP and AR over OKS or IoU of 0.50:0.95."""
    from posetrack.evaluation.coco import evaluate_coco
    from posetrack.evaluation.coco_files import read_coco_annotations, read_coco_results

    check_metrics_file(out, [gt, pred])
    annotations = read_coco_annotations(gt)
    metrics = evaluate_coco(
        annotations,
        read_coco_results(pred, annotations),
        iou_type=iou_type,
        sigmas=None if sigmas is None else _parse_sigmas(sigmas),
        annotations_name=str(gt),
        results_name=str(pred),
    )
    if out is not None:
        write_metrics(metrics, out)
    for kind, title in (("AP", "average precision"), ("AR", "average recall")):
        chosen = {name: value for name, value in metrics.items() if name.startswith(kind)}
        print_metrics(f"COCO {iou_type}, {title}", chosen)


def _parse_sigmas(text: str) -> tuple[float, ...]:
    if text in SKELETONS:
        return SKELETONS[text].sigmas
    if text.lower().endswith((".toml", ".json")):
        return read_skeleton(text).sigmas
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        hint = "write them as 0.026,0.025,..." if "," in text else suggest(text, SKELETONS)
        message = f"--sigmas {text}: neither a skeleton nor numbers with commas between; {hint}"
        raise ResultsError(message) from error
