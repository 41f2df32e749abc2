"""`posetrack crops`: one clip or one image of each person of saved poses."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from posetrack.cli.messages import start_logging
from posetrack.cli.options import check_finite
from posetrack.cli.selection_options import IdOptions, RawOption, SelectionOptions
from posetrack.results.poses import SavedPoses


@dataclass(frozen=True)
class CropOptions:
    """Options of what is cut out, and where it is written."""

    PANEL: ClassVar[str] = "Output"

    video: Annotated[
        Path | None, typer.Option("--video", help="The video of the poses.", show_default="the source in POSES")
    ] = None
    out: Annotated[
        Path | None, typer.Option(help="Folder to write into.", show_default="crops beside POSES")
    ] = None
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails", help="Write one PNG a person, from the best frame, and no clips.")
    ] = False
    padding: Annotated[
        float,
        typer.Option(min=0.1, max=10, callback=check_finite, help="Size of the window, in sizes of the box."),
    ] = 1.25
    blur_faces: Annotated[bool, typer.Option("--blur-faces", help="Blur everyone's face.")] = False
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing crops.")] = False


def crops_command(
    people: SelectionOptions,
    ids: IdOptions,
    crops: CropOptions,
    path: Annotated[
        Path, typer.Argument(metavar="POSES", help="A poses.jsonl, or the folder of a run.", show_default=False)
    ],
    raw: RawOption = False,
) -> None:
    """Cut people out of their video: person-<id>.mp4, which follows the person, or person-<id>.png."""
    from posetrack.run.crops import crop_people

    start_logging(logging.WARNING)
    poses = SavedPoses(path, raw=raw).select(ids.add_to(people.read()))
    files = crop_people(
        poses,
        poses.path.parent / "crops" if crops.out is None else crops.out,
        video=crops.video,
        thumbnails=crops.thumbnails,
        padding=crops.padding,
        blur_faces=crops.blur_faces,
        overwrite=crops.overwrite,
    )
    for file in files:
        print(file)
