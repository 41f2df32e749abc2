"""`posetrack export`: one file of a network for engines, in float or in int8."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posetrack.errors import PoseTrackError

if TYPE_CHECKING:
    from posetrack.exports.export import ExportReport


def export_command(
    weights: Annotated[
        str, typer.Argument(help="Name of weights (see `posetrack weights list`) or file.", show_default=False)
    ],
    kind: Annotated[str, typer.Option("--to", metavar="FORMAT", help="openvino or onnx.")] = "openvino",
    out: Annotated[
        Path | None, typer.Option(help="The file to write.", show_default="WEIGHTS.FORMAT.zip")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT when it is there.")] = False,
) -> None:
    """Export a network as one file, which recipes take as weights and whose parts other software runs.

    The file is a zip with an .onnx, or an .xml and a .bin, for each part of the network.
    """
    from posetrack.exports.export import export_weights
    from posetrack.runtime import use_networks

    use_networks()
    report = export_weights(weights, out or _name_output(weights, kind), kind, is_overwritten=overwrite)
    _print(report)


def _name_output(weights: str, kind: str) -> Path:
    name = Path(weights).name.removesuffix(".safetensors")
    if not name:
        raise PoseTrackError(f"'{weights}': not the name of weights or of a file")
    return Path(f"{name}.{kind}.zip")


def _print(report: ExportReport) -> None:
    for name, difference in report.differences.items():
        print(f"{name:<10} differs from torch by {difference:.1e} of the largest value")
    export = report.export
    print(
        f"{report.path}: {export.metadata.network}, {export.kind} {export.precision}, "
        f"{report.size_bytes / 1e6:.1f} MB"
    )
