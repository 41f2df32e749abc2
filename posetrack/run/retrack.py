"""Tracking of saved poses, without running networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from posetrack.edits.log import set_aside
from posetrack.errors import VideoError
from posetrack.frame import Frame
from posetrack.outputs import check_output_file, name_part
from posetrack.pipeline import Stage, stream
from posetrack.predictors.networks import PoseEstimator
from posetrack.processors.track import track
from posetrack.recipe import Recipe
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.poses import SavedPoses
from posetrack.run.paired import add_images
from posetrack.run.report import FrameCounter
from posetrack.run.stitch import make_stitcher
from posetrack.video.base import VideoSource
from trackers.flow import GIVEN_FLOWS, FlowEstimator


@dataclass(frozen=True)
class RetrackReport:
    """What has become of the ids of saved poses.

    Attributes:
        num_ids: Number of different track ids.
        num_joined: Number of ids that were joined with an earlier one.
        num_dropped: Number of short tracks, and so of people, that were left out.
        num_exchanged: Number of ids that go on in another's track after people met.
    """

    num_ids: int
    num_joined: int = 0
    num_dropped: int = 0
    num_exchanged: int = 0


def retrack(
    poses: SavedPoses,
    out: Path,
    recipe: Recipe,
    *,
    video: VideoSource | None,
    smoothed: bool = False,
    estimator: PoseEstimator | None = None,
    flow: FlowEstimator | None = None,
    stitched: bool = True,
) -> RetrackReport:
    """Give saved poses new track ids.

    People who were interpolated in the poses are left out first.

    Args:
        poses: The saved poses.
        out: The output file; created or replaced atomically.
        recipe: The recipe whose tracker and smoother are used.
        video: The video of the poses, for optical flow; None for no flow.
        smoothed: Whether keypoints are smoothed over time, without lag. What was smoothed in the poses is left
            out, since it followed their ids.
        estimator: Estimates the poses of people that the detector missed, as in a run; None for no propagation.
        flow: Estimates optical flow; without it a recipe whose flow is a network uses DIS.
        stitched: Whether broken tracks are joined in the end, as in a run; without a video, without comparing
            how people look.

    Returns:
        What has become of the ids.

    Raises:
        ResultsError: The poses cannot be read, or the file not written.
        VideoError: The video cannot be read, or has no image for some of the poses.
    """
    check_output_file(out, [poses.path, *([] if video is None else [Path(video.info.source)])])
    skeleton = poses.header.skeleton
    if flow is None and recipe.tracker.flow in GIVEN_FLOWS:
        recipe = replace(recipe, tracker=replace(recipe.tracker, flow="dis"))
    follow = track(
        recipe.tracker,
        skeleton,
        flow=flow,
        estimator=estimator,
        look_at_images=video is not None,
        by_boxes=not poses.has_keypoints,
    )
    counter = FrameCounter()
    stitcher = make_stitcher(
        recipe, skeleton, joined=stitched, smoothed=smoothed, look_at_images=video is not None
    )
    part = name_part(out, ".part.jsonl")
    with ExitStack() as stack:
        stack.callback(part.unlink, missing_ok=True)
        writer = stack.enter_context(JsonlWriter(part, replace(poses.header, provenance=None)))
        for frame in stack.enter_context(closing(stream(_make_frames(poses, video), [Stage("track", follow)]))):
            writer.write(frame.index, frame.time_s, frame.instances, frame.size_wh, frame.faces_xyxy)
            counter(frame)
            if stitcher is not None:
                stitcher(frame)
        writer.close()
        result = None if stitcher is None else stitcher.finish(part, part)
        set_aside(out)
        part.replace(out)
    if result is None:
        return RetrackReport(counter.num_ids)
    return RetrackReport(result.num_ids, result.num_joined, result.num_dropped, result.num_exchanged)


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
    """Yield the saved people without ids, and with their images if there is a video."""
    remedy = "give the video that they come from with --video, or use --no-flow"
    for saved in poses if video is None else add_images(poses, video, remedy=remedy):
        people = saved.instances
        found = people if people.is_interpolated is None else people[~people.is_interpolated]
        # What was smoothed followed the old ids, which may have been two people's.
        instances = replace(found, track_ids=None, is_interpolated=None, smoothed_xy=None)
        yield replace(saved, instances=instances, is_restored=False)
