"""Drawing of saved poses: over their video or without it, as a video, a GIF, images, or a contact sheet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from posetrack.frame import Frame
from posetrack.results.poses import SavedPoses
from posetrack.run.drawing_options import DrawingOptions, DrawReport

if TYPE_CHECKING:
    from posetrack.render import RenderStyle

# OpenCV and FFmpeg are imported when something is drawn, to keep `import posetrack` fast.


def draw_poses(
    poses: str | Path | SavedPoses,
    out: str | Path | None = None,
    *,
    video: str | Path | None = None,
    sheet: str | Path | None = None,
    style: RenderStyle | None = None,
    overwrite: bool = False,
    progress: Callable[[Frame], None] | None = None,
    **options: Unpack[DrawingOptions],
) -> DrawReport:
    """Draw saved poses, as `posetrack draw` does.

    >>> from tempfile import TemporaryDirectory
    >>> from posetrack import Tracker, draw_poses
    >>> from posetrack.render import RenderStyle
    >>> with TemporaryDirectory() as folder:
    ...     report = Tracker("fast").run("docs/media/street.mp4", folder, start_s=3.2, end_s=3.3)
    ...     style = RenderStyle(background="black", boxes=False)
    ...     drawn = draw_poses(folder, f"{folder}/person.gif", style=style, scale=0.5)
    >>> drawn.num_frames, drawn.num_ids
    (3, 1)

    Args:
        poses: A `poses.jsonl`, or the folder of a run.
        out: What to write: `.mp4`, with the sound of the video; `.gif`; `.png`, the first frame in which there
            is somebody; or a folder of PNGs, a name without an end. With a transparent background `.mov`
            (ProRes 4444) or `.webm` (VP9), and no `.mp4`. None where only a sheet is wanted.
        video: Video of the poses; None for the source that they name. A background other than `video` needs
            none. People are scaled to a video of another size.
        sheet: A PNG to write with a row for each person, images over time; of at most 60 people.
        style: What is drawn, and on what.
        overwrite: Whether to replace files that are there.
        progress: Called with each frame, on another thread.
        options: `side_by_side`, `scale`, `every`, `start_s`, `end_s`, `selection`, `faces_of`,
            `beside` and `max_pixels`.

    Returns:
        The report.

    Raises:
        ResultsError: The poses cannot be read, have no frames there, or have no such ids; or an output is there
            already, of no known kind, or cannot be written. Nothing has its name unless it is complete.
        VideoError: The video cannot be read, or is another one.
    """
    from posetrack.run.drawing import SavedDrawing

    saved = poses if isinstance(poses, SavedPoses) else SavedPoses(poses)
    drawing = SavedDrawing(saved, style, options)
    out, sheet = (None if path is None else Path(path) for path in (out, sheet))
    return drawing.write(out, sheet, video=video, overwrite=overwrite, progress=progress)
