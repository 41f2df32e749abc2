"""The video that saved poses come from, opened again."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

from models.image_size import MAX_PIXELS
from posetrack.addresses import has_hidden_part, show_address
from posetrack.errors import VideoError
from posetrack.frame import Frame
from posetrack.results.poses import SavedPoses
from posetrack.run.sources import DEFAULT_FPS
from posetrack.video.base import VideoInfo, VideoSource
from posetrack.video.source import open_video

_log = logging.getLogger(__name__)

REMEDY = "give the video that they come from with --video"
# Times are saved with six decimals.
_ROUNDED_S = 1e-5
# A clock of 1/90000 s has whole ticks for the usual rates, 30000/1001 too.
_TICKS_PER_S = 90_000
# Videos of other sizes have sides of whole pixels, too.
_MOST_DISTORTED = 0.01


def open_video_of(
    poses: SavedPoses,
    first: Frame,
    given: str | Path | None = None,
    max_pixels: int = MAX_PIXELS,
    *,
    instead: str = "",
) -> VideoSource:
    """Open the video of saved poses, to draw over; one of another size is taken where its shape is the same.

    Args:
        poses: The poses.
        first: The first of their frames that is needed.
        given: The video; None for the source that the poses name.
        max_pixels: As for `open_video`.
        instead: What else can be done where the source that the poses name is not there, for the message.

    Returns:
        The open source, from that frame on.

    Raises:
        VideoError: It cannot be read, or its images have another shape.
    """
    header = poses.header
    if given is None and has_hidden_part(header.source):
        raise VideoError(f"{header.source}: its secrets were not saved; give it with --video")
    start_s = max(first.time_s - _ROUNDED_S, 0.0)
    source = header.source if given is None else given
    try:
        video = open_video(source, start_s=start_s, image_fps=header.fps or DEFAULT_FPS, max_pixels=max_pixels)
    except VideoError as error:
        if given is not None:
            raise
        reason = str(error).rpartition("; ")[0] or str(error)
        raise VideoError(f"{reason}; {REMEDY}{instead and f', or {instead}'}") from error
    try:
        difference = describe_other_size(video.info, first.size_wh)
    except VideoError:
        video.close()
        raise
    if difference is not None:
        _log.warning("%s", difference)
    return video


def describe_other_size(info: VideoInfo, size_wh: tuple[int, int]) -> str | None:
    """What to say of a video of another size than its poses were made from; None if it has the same.

    Args:
        info: The video.
        size_wh: Width and height of the images of the poses in pixels.

    Raises:
        VideoError: Its images have another shape.
    """
    width, height = size_wh
    if (info.width, info.height) == size_wh:
        return None
    sizes = (
        f"{show_address(info.source)}: {info.width} x {info.height}, but the poses are from {width} x {height}"
    )
    if abs(info.width * height / (info.height * width) - 1) > _MOST_DISTORTED:
        raise VideoError(f"{sizes}; {REMEDY}")
    return f"{sizes}; they are scaled to the video"


def warn_of_faces(poses: SavedPoses) -> None:
    """Say where faces cannot all be blurred: of a run that left people out, and did not save where they are."""
    header, run = poses.header, poses.header.provenance
    if run is not None and not header.has_blurred_faces and (run.selection or run.processors):
        by = run.selection or f"processors {', '.join(run.processors)}"
        _log.warning(
            "%s: is of a run with %s; faces of those it left out are not blurred: run it with --blur-faces",
            poses.path,
            by,
        )


def describe_missing_video(poses: SavedPoses, first: Frame, num_frames: int) -> VideoInfo:
    """The properties of a video that is not there, from its poses, for writers."""
    header = poses.header
    width, height = first.size_wh
    return VideoInfo(
        source=header.source,
        name=header.video_name,
        width=width,
        height=height,
        fps=header.fps or DEFAULT_FPS,
        time_base=Fraction(1, _TICKS_PER_S),
        num_frames=num_frames,
    )
