"""`posetrack measure`: angles, lengths, speeds and paths of people in saved poses."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from posetrack.cli.messages import print_error, start_logging
from posetrack.cli.options import check_finite
from posetrack.cli.selection_options import IdOptions, RawOption, SelectionOptions
from posetrack.errors import PoseTrackError
from posetrack.measuring.floor import MeasuredFloor
from posetrack.measuring.settings import FACINGS, UNITS, MeasureSettings
from posetrack.measuring.write import FORMATS, write_measures
from posetrack.results.poses import SavedPoses

if TYPE_CHECKING:
    from posetrack.measuring.write import MeasureReport, PersonSummary

_MOST_ROWS = 12
_MOST_LINES = 12


@dataclass(frozen=True)
class UnitOptions:
    """Options of the units of lengths and places."""

    PANEL: ClassVar[str] = "Units"

    unit: Annotated[
        str | None,
        typer.Option(
            metavar="UNIT",
            help=f"Of lengths: {', '.join(UNITS)}.",
            show_default="m if a height or scale is given, else px",
        ),
    ] = None
    height: Annotated[
        list[str] | None,
        typer.Option(
            metavar="M[@ID]",
            help="Height of a person in metres, 1.78@3; without an id, of everyone. May be repeated.",
            show_default=False,
        ),
    ] = None
    scale: Annotated[
        float | None,
        typer.Option(metavar="PX_PER_M", callback=check_finite, help="Pixels of a metre.", show_default=False),
    ] = None
    floor: Annotated[
        str | None,
        typer.Option(
            metavar="X1,Y1,..,X4,Y4@WxD",
            help="Corners of a rectangle on the floor in the image, in order around it, and its size in "
            "metres: W from the first corner to the second, D from there on. Gives places on the floor.",
            show_default=False,
        ),
    ] = None
    facing: Annotated[
        str, typer.Option(metavar="SIDE", help=f"Side of the image that people face: {', '.join(FACINGS)}.")
    ] = "auto"


@dataclass(frozen=True)
class SignalOptions:
    """Options of what is done to keypoints before anything is measured."""

    PANEL: ClassVar[str] = "Signal"

    min_keypoint_score: Annotated[
        float,
        typer.Option(
            "--min-keypoint-score", min=0, max=1, callback=check_finite, help="Keypoints below it are gaps."
        ),
    ] = 0.3
    max_gap: Annotated[
        float,
        typer.Option(
            "--max-gap",
            metavar="SECONDS",
            callback=check_finite,
            help="Longest gap that is filled; 0 fills none.",
        ),
    ] = 0.2
    cutoff: Annotated[
        float, typer.Option(metavar="HZ", callback=check_finite, help="Cut-off frequency of the low-pass.")
    ] = 6.0
    order: Annotated[
        int, typer.Option(metavar="N", help="Order of the low-pass, both passes together: 2, 4, 6 or 8.")
    ] = 4
    no_filter: Annotated[bool, typer.Option("--no-filter", help="Leave keypoints as they were found.")] = False


@dataclass(frozen=True)
class MeasureOutputOptions:
    """Options of the output."""

    PANEL: ClassVar[str] = "Output"

    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder to write into.", show_default="measures beside POSES"),
    ] = None
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help=f"Write {', '.join(FORMATS)}; may be repeated.",
            show_default="all that can be written",
        ),
    ] = None
    raw: RawOption = False
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing measures.")] = False


def measure_command(
    people: SelectionOptions,
    ids: IdOptions,
    units: UnitOptions,
    signal: SignalOptions,
    output: MeasureOutputOptions,
    path: Annotated[
        Path, typer.Argument(metavar="POSES", help="A poses.jsonl, or the folder of a run.", show_default=False)
    ],
) -> None:
    """Measure people: joint angles, angular velocities, lengths, speeds, symmetry, paths, time on screen."""
    start_logging(logging.WARNING)
    settings = _read_settings(units, signal)
    poses = SavedPoses(path, raw=output.raw).select(ids.add_to(people.read()))
    folder = poses.path.parent / "measures" if output.out is None else output.out
    report = write_measures(poses, folder, settings, formats=output.formats, overwrite=output.overwrite)
    _print_report(report, settings)


def _read_settings(units: UnitOptions, signal: SignalOptions) -> MeasureSettings:
    everyone, by_id = _read_heights(units.height or ())
    return MeasureSettings(
        unit=units.unit,
        height_m=everyone,
        heights_m=by_id,
        px_per_m=units.scale,
        floor=None if units.floor is None else MeasuredFloor.read(units.floor),
        facing=units.facing,
        min_keypoint_score=signal.min_keypoint_score,
        max_gap_s=signal.max_gap,
        cutoff_hz=None if signal.no_filter else signal.cutoff,
        order=signal.order,
    )


def _read_heights(texts: Sequence[str]) -> tuple[float | None, dict[int, float]]:
    """The height of everyone, and those of people by their ids."""
    everyone: float | None = None
    by_id: dict[int, float] = {}
    for text in texts:
        number, at, track_id = text.partition("@")
        try:
            height_m = float(number)
            key = int(track_id) if at else None
        except ValueError:
            height_m, key = math.nan, None
        if not math.isfinite(height_m):
            raise PoseTrackError(f"--height {text}: expected metres, of everyone or at an id, such as 1.78@3")
        if key is None:
            everyone = height_m
        else:
            by_id[key] = height_m
    return everyone, by_id


def _print_report(report: MeasureReport, settings: MeasureSettings) -> None:
    longest = sorted(report.people, key=lambda person: (-person.summary["time_on_screen_s"], person.track_id))
    console = Console()
    console.print(_make_table(longest[:_MOST_ROWS], settings))
    if len(longest) > _MOST_ROWS:
        console.print(f"  ... and {len(longest) - _MOST_ROWS} more, in summary.csv", highlight=False)
    lines = [f"id {person.track_id}: {line}" for person in report.people for line in person.warnings]
    for line in [*report.left_out, *lines[:_MOST_LINES]]:
        print_error(line)
    if len(lines) > _MOST_LINES:
        print_error(f"... and {len(lines) - _MOST_LINES} more of these, in notes.txt")
    folder = report.files[0].parent
    print(f"{folder}: {len(report.files)} files; notes.txt says what was done, and what the measures mean")


def _make_table(people: Sequence[PersonSummary], settings: MeasureSettings) -> Table:
    """A row a person: how long, how far, how fast."""
    unit, name = settings.unit, "body"
    if settings.floor is not None:
        unit, name = "m", "floor"
    table = Table(box=SIMPLE_HEAD)
    for heading in ("id", "on screen", f"path, {unit}", f"mean speed, {unit}/s", "remarks"):
        table.add_column(heading, justify="right")
    for person in people:
        far = person.summary.get(f"{name}_path_{unit}", math.nan)
        fast = person.summary.get(f"{name}_speed_mean_{unit}_per_s", math.nan)
        table.add_row(
            str(person.track_id),
            f"{person.summary['time_on_screen_s']:.1f} s",
            *("" if math.isnan(value) else f"{value:.4g}" for value in (far, fast)),
            str(len(person.warnings) + len(person.remarks)),
        )
    return table
