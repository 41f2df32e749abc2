"""`posetrack eval densepose`: GPS, GPSm and IoU of dense poses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from posetrack.cli.eval.metrics import check_matplotlib, format_percent, print_metrics, write_metrics
from posetrack.outputs import check_output_file

_COLUMNS = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")
_TITLES = {"GPS": "GPS", "GPSM": "GPSm", "IOU": "IoU"}


def densepose_command(
    gt: Annotated[
        Path,
        typer.Option("--gt", help="DensePose annotations of COCO or PoseTrack (JSON).", show_default=False),
    ],
    pred: Annotated[
        Path,
        typer.Option(
            "--pred",
            help="Dense poses: the .npz of a run, whose frame n is image n; the competition's JSON; "
            "or a pickle or file of torch.save as Detectron2 has it.",
            show_default=False,
        ),
    ],
    mesh: Annotated[
        str | None,
        typer.Option(
            help="Folder of SMPL_subdiv.mat, SMPL_SUBDIV_TRANSFORM.mat and Pdist_matrix.pkl, the data set's or "
            "of a mesh of your own, for gps and gpsm; or `made`, the mesh that comes with PoseTrack, whose "
            "coordinates are its own.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[str, typer.Option(help="Similarities, with commas between.")] = "gps,gpsm,iou",
    out: Annotated[
        Path | None,
        typer.Option(
            "--json", "--out", help="Also write the numbers as JSON, AP and AR in percent.", show_default=False
        ),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(help="Draw curves here; needs pip install 'posetrack\\[plots]'.", show_default=False),
    ] = None,
) -> None:
    """Evaluate dense poses as DensePose's tool does: AP and AR over GPS, GPSm and mask IoU of 0.50:0.95."""
    from posetrack.evaluation.densepose.evaluate import BOXES, choose_metrics, evaluate_densepose
    from posetrack.evaluation.densepose.mesh import read_mesh
    from posetrack.evaluation.densepose.read import read_dense_results
    from posetrack.evaluation.densepose.truth import read_surface_truth

    if plots is not None:
        check_matplotlib()
    if out is not None:
        check_output_file(out, (gt, pred), "--json")
    names = choose_metrics(metric)
    body = None if mesh is None else read_mesh(mesh)
    truth = read_surface_truth(gt)
    evaluation = evaluate_densepose(truth, read_dense_results(pred, truth), body, names)
    if out is not None:
        write_metrics(evaluation.metrics, out)
    print_dense_metrics("DensePose", evaluation.metrics)
    boxes = evaluation.metrics[BOXES]
    for kind, title in (("AP", "average precision"), ("AR", "average recall")):
        chosen = {name: _to_fraction(value) for name, value in boxes.items() if name.startswith(kind)}
        print_metrics(f"COCO bbox, {title}", chosen)
    if plots is not None:
        from posetrack.evaluation.densepose.plots import draw_plots

        for path in draw_plots(evaluation, names, plots):
            print(path)


def print_dense_metrics(title: str, metrics: Mapping[str, Mapping[str, Any]]) -> None:
    """Print AP and AR of dense poses in percent, one row for each similarity of a `DenseEvaluation`."""
    table = Table(title=f"{title} (percent)", title_justify="left", box=SIMPLE_HEAD, padding=(0, 0, 0, 1))
    table.add_column("")
    for name in _COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for name, row_title in _TITLES.items():
        if name in metrics:
            row = (format_percent(_to_fraction(metrics[name][column])) for column in _COLUMNS)
            table.add_row(row_title, *row)
    Console(highlight=False).print(table)


def _to_fraction(percent: float) -> float | None:
    """A number of the output, which is negative where undefined."""
    return None if percent < 0 else percent / 100
