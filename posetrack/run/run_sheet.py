"""The contact sheet of a run: drawn from its saved poses, over a second decoding of the source."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from pathlib import Path

from posetrack.errors import ResultsError, VideoError
from posetrack.outputs import check_output_file
from posetrack.pipeline import run
from posetrack.render import RenderStyle
from posetrack.results.files import open_whole_bytes
from posetrack.results.poses import SavedPoses
from posetrack.run.drawn_files import check_sheet_name, encode_png
from posetrack.run.paired import add_blurred_images
from posetrack.run.sheet import ContactSheet
from posetrack.run.survey import survey_poses
from posetrack.video.base import Selection, VideoSource

_log = logging.getLogger(__name__)


def check_sheet(sheet: Path, video: VideoSource, overlay: Path, *, may_replace: bool) -> None:
    """Find mistakes in the name of a sheet before a run.

    Args:
        sheet: The PNG to write.
        video: The source.
        overlay: The annotated image or video of the run.
        may_replace: Whether a file may be there.

    Raises:
        ResultsError: It is no PNG, a file of the source or the run, or there already.
    """
    check_sheet_name(sheet)
    check_output_file(sheet, [Path(video.info.source), *video.list_files()], "--sheet")
    if sheet.absolute() == overlay.with_suffix(".png").absolute():
        raise ResultsError(f"{sheet}: is the annotated image of a run; use another --sheet")
    if os.path.lexists(sheet) and not may_replace:
        raise ResultsError(f"{sheet}: is there already; use --overwrite, or another --sheet")


def write_run_sheet(poses: Path, sheet: Path, video: VideoSource, style: RenderStyle) -> bool:
    """Write the contact sheet of a finished run.

    Where nobody was tracked there is none, with a logged warning.

    Args:
        poses: The poses of the run.
        sheet: The PNG, replaced if it is there.
        video: The source, which has been read.
        style: What is drawn of the people, and whether faces are blurred.

    Returns:
        Whether it was written.

    Raises:
        ResultsError: The poses cannot be read, or the sheet not written.
        VideoError: The source cannot be read a second time, as a pipe cannot.
    """
    saved = SavedPoses(poses, raw=True)
    survey = survey_poses(saved, Selection())
    if not survey.people:
        _log.warning("%s: nobody with a track id to show on a sheet; there is none", poses)
        return False
    skeleton = saved.header.skeleton
    collected = ContactSheet(survey.people.values(), survey.gap_s, skeleton, style, survey.colors)
    with ExitStack() as stack:
        again = video.reopen()
        if again is None:
            raise VideoError(
                f"{video.info.source}: cannot be read a second time, for --sheet; save it to a file first"
            )
        images = stack.enter_context(again)
        faces_of = saved if style.blur_faces else None
        remedy = "it has changed since it was read"
        run(add_blurred_images(saved, images, skeleton, faces_of=faces_of, remedy=remedy), [], [collected])
    with open_whole_bytes(sheet) as file:
        file.write(encode_png(collected.compose()))
    return True
