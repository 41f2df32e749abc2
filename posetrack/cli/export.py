"""`posetrack export`: one file of a network for engines, in float or in int8."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from posetrack.errors import PoseTrackError

if TYPE_CHECKING:
    from posetrack.exports.export import ExportReport


def export_command(
    weights: Annotated[
        str, typer.Argument(help="Name of weights (see `posetrack weights list`) or file.", show_default=False)
    ],
    kind: Annotated[str, typer.Option("--to", metavar="FORMAT", help="openvino or onnx.")] = "openvino",
    out: Annotated[
        Path | None, typer.Option(help="The file to write.", show_default="WEIGHTS[.int8].FORMAT.zip")
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Convolutions in int8: smaller and faster, less exact.")
    ] = False,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Images with people, or a video, to find the ranges of values of --int8 with.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[int, typer.Option(min=1, max=100_000, help="Number of images to calibrate with.")] = 100,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT when it is there.")] = False,
) -> None:
    """Export a network as one file, which recipes take as weights and whose parts other software runs.

    The file is a zip with an .onnx, or an .xml and a .bin, for each part of the network.
    """
    from posetrack.exports.export import Calibration, export_weights
    from posetrack.runtime import tune_process, use_networks

    if calibrate is not None and not int8:
        raise PoseTrackError("export: --calibrate is for --int8; give that too, or leave it out")
    use_networks()
    tune_process()
    out = out or _name_output(weights, kind, is_int8=int8)
    with _show_progress(images, is_shown=calibrate is not None) as report:
        calibration = None if calibrate is None else Calibration(calibrate, images, report)
        done = export_weights(
            weights, out, kind, is_int8=int8, calibration=calibration, is_overwritten=overwrite
        )
    _print(done)


def _name_output(weights: str, kind: str, *, is_int8: bool) -> Path:
    name = Path(weights).name.removesuffix(".safetensors")
    if not name:
        raise PoseTrackError(f"'{weights}': not the name of weights or of a file")
    return Path(f"{name}{'.int8' if is_int8 else ''}.{kind}.zip")


@contextmanager
def _show_progress(total: int, *, is_shown: bool) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    with Progress(console=console, disable=not (is_shown and console.is_terminal), transient=True) as bar:
        task = bar.add_task("calibrating", total=total)
        yield lambda number: bar.update(task, completed=number)


def _print(report: ExportReport) -> None:
    export = report.export
    measured = "of the largest value" if export.precision == "f32" else "(root mean square, on real images)"
    for name, difference in report.differences.items():
        print(f"{name:<10} differs from torch by {difference:.1e} {measured}")
    ratio = report.float_bytes / report.size_bytes
    compared = "" if export.precision == "f32" else f" (in float {ratio:.2f} times as much)"
    print(
        f"{report.path}: {export.metadata.network}, {export.kind} {export.precision}, "
        f"{report.size_bytes / 1e6:.1f} MB{compared}"
    )
