"""`posetrack draw`: videos and images of saved poses, without running networks."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer
from rich.console import Console

from models.image_size import MAX_PIXELS
from posetrack.cli.draw_options import DrawOptions
from posetrack.cli.messages import start_logging
from posetrack.cli.options import MaxPixelsOption
from posetrack.cli.progress import RunProgress
from posetrack.cli.selection_options import IdOptions, RawOption, SelectionOptions
from posetrack.results.poses import SavedPoses


@dataclass(frozen=True)
class DrawnPartOptions:
    """Options of the video of the poses, and of the part that is drawn."""

    PANEL: ClassVar[str] = "Video"

    video: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Video of the poses.", show_default="the source in POSES"),
    ] = None
    start: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Start, in seconds.")] = 0.0
    end: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="End, in seconds.", show_default=False)
    ] = None
    every: Annotated[
        int, typer.Option(min=1, max=1_000_000_000, metavar="N", help="Draw every n-th frame.")
    ] = 1
    max_pixels: MaxPixelsOption = MAX_PIXELS


@dataclass(frozen=True)
class DrawnOutputOptions:
    """Options of the output."""

    PANEL: ClassVar[str] = "Output"

    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help=".mp4; .gif; .png, the first frame with somebody; .mov or .webm with transparency; or a "
            "folder of PNGs.",
            show_default="POSES with .mp4, or a folder of PNGs if transparent; none with --sheet",
        ),
    ] = None
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a PNG with a row for each person, at most 60, over time.",
            show_default=False,
        ),
    ] = None
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False
    raw: RawOption = False


@dataclass(frozen=True)
class ComparisonOptions(DrawOptions):
    """Options of a drawing of saved poses, beside others."""

    PANEL: ClassVar[str] = "Drawing"

    beside: Annotated[
        Path | None,
        typer.Option(
            "--beside",
            metavar="POSES",
            help="Draw other poses of the same video on the left, such as those before `retrack`.",
            show_default=False,
        ),
    ] = None

    def read_beside(self) -> SavedPoses | None:
        """The other poses; None if there are none.

        Raises:
            ResultsError: They cannot be read.
        """
        return None if self.beside is None else SavedPoses(self.beside)


def draw_command(
    poses: Annotated[Path, typer.Argument(help="A poses.jsonl, or the folder of a run.", show_default=False)],
    part: DrawnPartOptions,
    output: DrawnOutputOptions,
    drawing: ComparisonOptions,
    people: SelectionOptions,
    ids: IdOptions,
) -> None:
    """Draw saved poses: over their video with its sound, on one colour, or on nothing; no networks run.

    With --blur-faces every image that is written has the heads of all people blurred, also of those who are not
    drawn; someone whom the run did not find is not blurred. Without it, videos, GIFs, PNGs and sheets show the
    video as it is.
    """
    from posetrack.run.draw import draw_poses

    start_logging(logging.ERROR if output.quiet else logging.WARNING)
    saved = SavedPoses(poses, raw=output.raw)
    style = drawing.add_to(drawing.make_saved_style(saved))
    out = output.out
    if out is None and output.sheet is None:
        out = choose_drawing(saved.path, is_transparent=drawing.background == "transparent")
    console = Console(stderr=True, highlight=False)
    with RunProgress(console, saved.header.video_name, None, is_quiet=output.quiet) as progress:
        report = draw_poses(
            saved,
            out,
            video=part.video,
            sheet=output.sheet,
            style=style,
            overwrite=output.overwrite,
            progress=progress,
            side_by_side=drawing.side_by_side,
            scale=drawing.scale,
            every=part.every,
            start_s=part.start,
            end_s=part.end,
            selection=ids.add_to(people.read()),
            max_pixels=part.max_pixels,
            beside=drawing.read_beside(),
        )
    if not output.quiet:
        for path in report.files:
            print(
                f"{path}: {report.num_ids} {'person' if report.num_ids == 1 else 'people'}"
                if path == output.sheet
                else _describe(path, report.num_frames)
            )


def choose_drawing(poses: Path, *, is_transparent: bool = False) -> Path:
    """Name of the drawing of a file of poses, beside it."""
    return poses.with_name(f"{poses.stem}-images") if is_transparent else poses.with_suffix(".mp4")


def _describe(path: Path, num_frames: int) -> str:
    return f"{path}: 1 image" if num_frames == 1 else f"{path}: {num_frames} images"
