"""Options of poses of other programs, which say less than our own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from models.image_size import MAX_PIXELS
from posetrack.errors import PoseTrackError

if TYPE_CHECKING:
    from posetrack.foreign.base import ForeignOptions

_MOST_FPS = 100_000


@dataclass(frozen=True)
class OtherPosesOptions:
    """Options of what poses of other programs do not say."""

    PANEL: ClassVar[str] = "Poses of other programs"

    size: Annotated[
        str | None,
        typer.Option(
            "--size",
            metavar="WxH",
            help="Size of the images in pixels, such as 1920x1080.",
            show_default="that of the video, or in the file",
        ),
    ] = None
    fps: Annotated[
        str | None,
        typer.Option(
            "--fps",
            metavar="RATE",
            help="Frames per second, such as 25 or 30000/1001.",
            show_default="those of the video, or in the file, else 25",
        ),
    ] = None
    first_frame: Annotated[
        int | None,
        typer.Option(
            "--first-frame",
            min=0,
            metavar="N",
            help="The number that the file gives to the first frame of the video.",
            show_default="0; 1 in MOTChallenge's",
        ),
    ] = None
    skeleton: Annotated[
        str | None,
        typer.Option(
            "--skeleton",
            metavar="NAME|FILE",
            help="What the keypoints are.",
            show_default="as the file says, or by their number",
        ),
    ] = None
    sequence: Annotated[
        str,
        typer.Option(
            "--sequence", metavar="NAME", help="The sequence, in a file of several.", show_default=False
        ),
    ] = ""

    def read(self, video: str | None, max_pixels: int = MAX_PIXELS) -> ForeignOptions:
        """What is said of the poses.

        Args:
            video: Their video; None where it was not given.
            max_pixels: The most pixels that its images may have.

        Raises:
            PoseTrackError: A value is not what it should be.
        """
        from posetrack.foreign.base import ForeignOptions
        from posetrack.skeleton_files import read_skeleton

        return ForeignOptions(
            video=video,
            size_wh=None if self.size is None else _read_size(self.size),
            fps=None if self.fps is None else _read_rate(self.fps),
            first_frame=self.first_frame,
            skeleton=None if self.skeleton is None else read_skeleton(self.skeleton),
            sequence=self.sequence,
            max_pixels=max_pixels,
        )

    def refuse(self, path: Path) -> None:
        """Raise PoseTrackError if one was given, for poses of our own or others that say everything."""
        if self != type(self)() and path.exists():
            raise PoseTrackError(
                f"{path}: --size, --fps, --first-frame, --skeleton, --sequence: for poses of other programs "
                "only; leave them out here"
            )


def _read_size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", text)
    if match is None:
        raise PoseTrackError(f"--size {text}: expected a width and a height in pixels, such as 1920x1080")
    return int(match[1]), int(match[2])


def _read_rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= _MOST_FPS:
        raise PoseTrackError(f"--fps {text}: expected frames per second, such as 25 or 30000/1001")
    return rate
