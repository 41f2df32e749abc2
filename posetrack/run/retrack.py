"""Tracking of saved poses, without running networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

from posetrack.errors import ResultsError, VideoError
from posetrack.frame import Frame
from posetrack.pipeline import Stage, stream
from posetrack.predictors.networks import PoseEstimator
from posetrack.processors.smooth import smooth
from posetrack.processors.track import track
from posetrack.recipe import Recipe
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.poses import SavedPoses
from posetrack.run.report import FrameCounter
from posetrack.video.base import VideoSource


def retrack(
    poses: SavedPoses,
    out: Path,
    recipe: Recipe,
    *,
    video: VideoSource | None,
    smoothed: bool = False,
    estimator: PoseEstimator | None = None,
) -> int:
    """Give saved poses new track ids.

    Args:
        poses: The saved poses.
        out: The output file; created or replaced atomically.
        recipe: The recipe whose tracker and smoother are used.
        video: The video of the poses, for optical flow; None for no flow.
        smoothed: Whether keypoints are smoothed over time.
        estimator: Estimates the poses of people that the detector missed, as in a run; None for no propagation.

    Returns:
        The number of ids.

    Raises:
        ResultsError: The poses cannot be read, or the file not written.
        VideoError: The video cannot be read, or has no image for some of the poses.
    """
    if out.resolve() == poses.path.resolve():
        raise ResultsError(f"{out}: is the file to read; use another --out")
    skeleton = poses.header.skeleton
    follow = track(recipe.tracker, skeleton, estimator=estimator, look_at_images=video is not None)
    processors = [Stage("track", follow)]
    if smoothed:
        processors.append(Stage("smooth", smooth(recipe.smoother)))
    counter = FrameCounter()
    part = out.with_name(f".{out.stem}.part.jsonl")
    with ExitStack() as stack:
        stack.callback(part.unlink, missing_ok=True)
        writer = stack.enter_context(JsonlWriter(part, poses.header))
        for frame in stack.enter_context(closing(stream(_make_frames(poses, video), processors))):
            writer.write(frame.index, frame.time_s, frame.instances)
            counter(frame)
        writer.close()
        part.replace(out)
    return counter.num_ids


def check_size(poses: SavedPoses, video: VideoSource) -> None:
    """Check that poses are not those of another video.

    Raises:
        VideoError: Its images have another size.
    """
    info, header = video.info, poses.header
    if (info.width, info.height) != (header.width, header.height):
        raise VideoError(
            f"{info.source}: {info.width} x {info.height}, but the poses are from {header.width} x "
            f"{header.height}; give the video that they come from with --video, or use --no-flow"
        )


def _make_frames(poses: SavedPoses, video: VideoSource | None) -> Iterator[Frame]:
    """Yield the saved people without ids, with their images, paired by the frame's index in the source."""
    images = iter(()) if video is None else iter(video)
    current: Frame | None = None
    for saved in poses:
        while video is not None and (current is None or current.index < saved.index):
            current = next(images, None)
            if current is None:
                raise VideoError(
                    f"{video.info.source}: ends before frame {saved.index} of the saved poses; give the video "
                    "that they come from with --video, or use --no-flow"
                )
        image = saved.image if current is None else current.image
        instances = replace(saved.instances, track_ids=None)
        yield replace(saved, image=image, instances=instances, is_restored=False)
