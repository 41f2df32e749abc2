"""Saved poses together with the images of their video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from posetrack.errors import ResultsError, VideoError
from posetrack.frame import Frame
from posetrack.render import FaceBlur
from posetrack.results.poses import make_black_image
from posetrack.run.resize import put_image
from posetrack.skeleton import Skeleton
from posetrack.video.base import VideoSource

_LATEST_FRAMES = 1
"""A frame that is further from its saved time, in usual frames, is another one."""


def add_images(poses: Iterable[Frame], video: VideoSource, *, remedy: str) -> Iterator[Frame]:
    """Yield the saved frames with their images, paired by the frame's index in the source.

    Where an image has another size than it had, the people are scaled to it.

    Args:
        poses: Saved frames, in order.
        video: Their video; it may have more frames.
        remedy: End of the message where it lacks one.

    Raises:
        ResultsError: The poses cannot be read.
        VideoError: The video cannot be read, lacks a frame of the poses, or has it at another time.
    """
    images = iter(video)
    # Images have no times of their own.
    tolerance_s = float("inf") if video.info.kind == "images" else float(_LATEST_FRAMES / video.info.fps)
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
        if abs(current.time_s - saved.time_s) > tolerance_s:
            raise VideoError(
                f"{video.info.source}: frame {saved.index} is at {current.time_s:.3f} s, and at "
                f"{saved.time_s:.3f} s in the saved poses; {remedy}"
            )
        yield put_image(saved, current.image)


def add_blurred_images(
    shown: Iterable[Frame],
    video: VideoSource,
    skeleton: Skeleton,
    *,
    faces_of: Iterable[Frame] | None,
    remedy: str,
) -> Iterator[Frame]:
    """Yield frames with their images, in which faces may be blurred.

    Args:
        shown: The frames with the people who are shown.
        video: Their video.
        skeleton: The keypoints.
        faces_of: The same frames with everyone whose face is blurred, and perhaps others before and behind
            them, since a face stays hidden for a moment; None where no face is.
        remedy: As for `add_images`.

    Raises:
        ResultsError: `faces_of` lacks a frame; or as for `add_images`.
        VideoError: As for `add_images`.
    """
    if faces_of is None:
        yield from add_images(shown, video, remedy=remedy)
        return
    blur, faces = FaceBlur(skeleton), iter(faces_of)
    black = make_black_image((video.info.width, video.info.height))
    for frame in add_images(shown, video, remedy=remedy):
        everyone = next(faces, None)
        while everyone is not None and everyone.index < frame.index:
            blur.follow(put_image(everyone, black))
            everyone = next(faces, None)
        if everyone is None or everyone.index != frame.index:
            raise ResultsError(
                f"the poses whose faces are blurred lack frame {frame.index}; give those of the video"
            )
        yield replace(frame, image=blur(put_image(everyone, frame.image)))
