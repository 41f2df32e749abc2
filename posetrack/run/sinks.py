"""The sinks of a run, which write poses to a file and annotated images to a video."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import count

from posetrack.frame import Frame, ImageArray
from posetrack.pipeline import FrameSink
from posetrack.results.dense_file import DenseWriter
from posetrack.results.jsonl import JsonlWriter
from posetrack.video.image_writer import ImageWriter

TimeStage = Callable[[str], AbstractContextManager[None]]
"""Makes the context in which a stage runs, from its name: `write`, `draw` or `encode`; benchmarks time it."""


def leave_untimed(name: str) -> AbstractContextManager[None]:
    """Make a context without timing."""
    return nullcontext()


def make_poses_sink(
    poses: JsonlWriter, time_stage: TimeStage = leave_untimed, dense: DenseWriter | None = None
) -> FrameSink:
    """Make the sink that writes poses, except for frames that the file already has.

    Args:
        poses: The file of poses.
        time_stage: Makes the context of the writing.
        dense: The file of dense poses, to be written first, so that poses only refer to what is there; None
            where there are none.
    """
    positions = count()

    def write(frame: Frame) -> None:
        if next(positions) < poses.num_records:
            return
        with time_stage("write"):
            people, size_wh = frame.instances, frame.size_wh
            if dense is not None:
                rows = dense.write(frame.index, frame.time_s, people, size_wh)
                people = people.with_columns(dense_rows=rows)
            poses.write(frame.index, frame.time_s, people, size_wh, frame.faces_xyxy)

    return write


def make_overlay_sink(
    writer: ImageWriter, paint: Callable[[Frame], ImageArray], time_stage: TimeStage = leave_untimed
) -> FrameSink:
    """Make the sink that draws people over each image and writes it to a video, or to another drawing."""

    def write(frame: Frame) -> None:
        with time_stage("draw"):
            image = paint(frame)
        with time_stage("encode"):
            writer.write(image, frame.time_s)

    return write
