"""The sources that a tracker takes, and the part of them that is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict, TypeGuard

from posetrack.errors import VideoError
from posetrack.frame import ImageArray

if TYPE_CHECKING:
    from posetrack.video.base import VideoSource

# OpenCV and FFmpeg are imported where a source is opened: `import posetrack` stays light.

Source: TypeAlias = "str | Path | int | Sequence[str] | Iterable[ImageArray] | VideoSource"
"""A file, a folder or glob of images, an address that FFmpeg opens; the number of a camera; image files; arrays
(H, W, 3) uint8 RGB; or a source that is open, which is closed after its run."""

DEFAULT_FPS = Fraction(25)
"""Frames a second of images, where nothing else is given."""

_LARGEST_DENOMINATOR = 1001


class Part(TypedDict, total=False):
    """Which frames of a source are wanted; all where nothing is given.

    Attributes:
        start_s: The first time wanted, in seconds from the source's first frame.
        end_s: Frames from this time on are left out.
        every: Of the others, the first and every n-th after it.
        image_fps: Frames a second of images, which carry no times: a folder, a glob, arrays. 25 unless given.
    """

    start_s: float
    end_s: float | None
    every: int
    image_fps: Fraction | float


def open_source(
    source: Source,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    every: int = 1,
    image_fps: Fraction | float = DEFAULT_FPS,
) -> VideoSource:
    """Open a source for a tracker.

    Args:
        source: See `Source`. One that is open already is taken as it is, whatever part is asked for.
        start_s: As `Part` has it, like those that follow.
        end_s: Likewise.
        every: Likewise.
        image_fps: Likewise.

    Returns:
        The open source; close it, or use it as a context manager.

    Raises:
        VideoError: It is missing, unreadable or no source at all; the part asked for is empty.
    """
    from posetrack.video.arrays import ArraySequence
    from posetrack.video.base import Selection, VideoSource
    from posetrack.video.camera import Camera
    from posetrack.video.source import open_video

    if isinstance(source, VideoSource):
        return source
    selection = Selection(start_s, end_s, every)
    if isinstance(source, int):
        return Camera(source, selection)
    fps = Fraction(image_fps).limit_denominator(_LARGEST_DENOMINATOR)
    if isinstance(source, str | Path) or _are_files(source):
        return open_video(source, start_s=start_s, end_s=end_s, every=every, image_fps=fps)
    if isinstance(source, Iterable):
        return ArraySequence(source, selection, fps)
    raise VideoError(
        f"{type(source).__name__}: not a source; give a path, the number of a camera, or arrays (H, W, 3) of "
        "uint8, RGB"
    )


def _are_files(source: object) -> TypeGuard[Sequence[str]]:
    return isinstance(source, Sequence) and all(isinstance(item, str) for item in source)
