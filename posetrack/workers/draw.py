"""Drawing of a part of an annotated video, from saved poses of the whole one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import takewhile

from posetrack.frame import Frame
from posetrack.pipeline import run
from posetrack.results.poses import SavedPoses, make_black_image
from posetrack.run.paired import add_images
from posetrack.run.sinks import make_overlay_sink
from posetrack.run.sources import open_source
from posetrack.run.view import Painter
from posetrack.video.canvas import even_size
from posetrack.video.writer import VideoWriter
from posetrack.workers.task import DrawTask


def draw_part(task: DrawTask, progress: Callable[[Frame], None]) -> None:
    """Draw a part; the frames before it are followed, so that colours and trails are those of the whole.

    Args:
        task: The task.
        progress: Called with each frame that is drawn.

    Raises:
        VideoError: The source cannot be read, is another one, or the video cannot be written.
        ResultsError: The poses cannot be read.
    """
    if task.out.exists():
        return
    poses = SavedPoses(task.poses, raw=True)
    header = poses.header
    with ExitStack() as stack:
        video = stack.enter_context(open_source(task.source, **task.part))
        blank = Frame(0, 0.0, make_black_image(header.size_wh))
        height, width = Painter(header.skeleton, task.view)(blank).shape[:2]
        writer = VideoWriter(task.out, video.info, size_wh=even_size(width, height))
        # Not a context of its own: Ctrl-C would leave half of a part in place of a whole one.
        stack.callback(writer.abort)
        paint = Painter(header.skeleton, task.view)
        first, last = task.frames
        shown = _follow_up_to(takewhile(lambda frame: frame.index <= last, poses), first, paint)
        frames = add_images(shown, video, remedy="it has changed since it was read")
        run(frames, [], [make_overlay_sink(writer, paint), progress])
        writer.close()


def _follow_up_to(frames: Iterator[Frame], first: int, paint: Painter) -> Iterator[Frame]:
    """The frames from an index on; those before it are only followed."""
    for frame in frames:
        if frame.index >= first:
            yield frame
        else:
            paint.follow(frame)
