"""Saved poses together with the images of their video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from posetrack.errors import VideoError
from posetrack.frame import Frame
from posetrack.video.base import VideoSource


def add_images(poses: Iterable[Frame], video: VideoSource, *, remedy: str) -> Iterator[Frame]:
    """Yield the saved frames with their images, paired by the frame's index in the source.

    Args:
        poses: Saved frames, in order.
        video: Their video; it may have more frames.
        remedy: End of the message where it lacks one.

    Raises:
        ResultsError: The poses cannot be read.
        VideoError: The video cannot be read, or lacks a frame of the poses.
    """
    images = iter(video)
    current: Frame | None = None
    for saved in poses:
        while current is None or current.index < saved.index:
            current = next(images, None)
            if current is None:
                raise VideoError(
                    f"{video.info.source}: ends before frame {saved.index} of the saved poses; {remedy}"
                )
        if current.index != saved.index:
            raise VideoError(f"{video.info.source}: lacks frame {saved.index} of the saved poses; {remedy}")
        yield replace(saved, image=current.image)
