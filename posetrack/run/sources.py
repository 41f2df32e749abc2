"""Opening of the sources of a tracker, and selection of a part of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict, TypeGuard

from models.image_size import MAX_PIXELS
from posetrack.errors import VideoError
from posetrack.frame import ImageArray

if TYPE_CHECKING:
    from posetrack.video.base import VideoSource

# OpenCV and FFmpeg are imported when a source is opened, to keep `import posetrack` fast.

Source: TypeAlias = "str | Path | int | Sequence[str] | Iterable[ImageArray] | VideoSource"
"""A file, a folder or glob pattern of images, or a URL for FFmpeg; the number of a camera; image files; arrays
(H, W, 3) uint8 RGB; or an open source, which is closed after its run."""

DEFAULT_FPS = Fraction(25)
"""Default frame rate of images."""

_LARGEST_DENOMINATOR = 1001


class Part(TypedDict, total=False):
    """The part of a source to process; by default all of it.

    Attributes:
        start_s: Start, in seconds from the source's first frame.
        end_s: End, exclusive, in seconds from the source's first frame.
        every: Process the first frame of the part and every n-th after it.
        anchor: Of a video, index of the frame from which they are counted instead of the part's first one.
        image_fps: Frame rate of images, which have no times: a folder, a glob pattern, arrays. 25 by default.
        max_pixels: The most pixels that an image of a file or stream may have. 200 million by default.
        timeout_s: Longest time without data; by default 20 s for a URL, and any time for others.
    """

    start_s: float
    end_s: float | None
    every: int
    anchor: int | None
    image_fps: Fraction | float
    max_pixels: int
    timeout_s: float | None


def open_source(
    source: Source,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    every: int = 1,
    anchor: int | None = None,
    image_fps: Fraction | float = DEFAULT_FPS,
    max_pixels: int = MAX_PIXELS,
    timeout_s: float | None = None,
) -> VideoSource:
    """Open a source for a tracker.

    Args:
        source: See `Source`. An open source is used as it is, without selecting a part.
        start_s: As in `Part`, like the following ones.
        end_s: Likewise.
        every: Likewise.
        anchor: Likewise.
        image_fps: Likewise.
        max_pixels: Likewise.
        timeout_s: Likewise.

    Returns:
        The open source; close it, or use it as a context manager.

    Raises:
        VideoError: It is missing, unreadable or not a source; or the part is empty.
    """
    from posetrack.video.arrays import ArraySequence
    from posetrack.video.base import Selection, VideoSource
    from posetrack.video.camera import Camera
    from posetrack.video.silence import Silence
    from posetrack.video.source import open_video

    if isinstance(source, VideoSource):
        return source
    selection = Selection(start_s, end_s, every, anchor)
    if isinstance(source, int):
        return Camera(source, selection, timeout_s)
    fps = Fraction(image_fps).limit_denominator(_LARGEST_DENOMINATOR)
    if isinstance(source, str | Path) or _are_files(source):
        return open_video(
            source,
            start_s=start_s,
            end_s=end_s,
            every=every,
            anchor=anchor,
            image_fps=fps,
            max_pixels=max_pixels,
            timeout_s=timeout_s,
        )
    if isinstance(source, Iterable):
        arrays = ArraySequence(source, selection, fps)
        if timeout_s is not None:
            arrays.read_apart(Silence(arrays.info.source, timeout_s))
        return arrays
    raise VideoError(
        f"{type(source).__name__}: not a source; give a path, the number of a camera, or arrays (H, W, 3) of "
        "uint8, RGB"
    )


def _are_files(source: object) -> TypeGuard[Sequence[str]]:
    return isinstance(source, Sequence) and all(isinstance(item, str) for item in source)
