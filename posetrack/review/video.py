"""The video of the poses that are reviewed: which one it is, whether it fits, and how a page can show it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.image_size import MAX_PIXELS
from posetrack.edits.index import PosesIndex
from posetrack.errors import VideoError
from posetrack.frame import Frame
from posetrack.results.poses import SavedPoses, make_black_image
from posetrack.results.record import Header
from posetrack.review.film import Film
from posetrack.run.images_of_poses import describe_other_size, open_video_of
from posetrack.run.sources import DEFAULT_FPS
from posetrack.video.base import VideoInfo
from posetrack.video.fingerprint import fingerprint_files

_OTHER_LENGTH_S = 0.5
"""A video that ends so much before its poses, or after them, is not the whole one, or another."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReviewVideo:
    """A video that belongs to poses.

    Attributes:
        film: Its frames.
        file: The file that a browser may be able to play itself; None for images, addresses and the like.
        notes: What does not fit, a line each.
    """

    film: Film
    file: Path | None
    notes: tuple[str, ...]


def find_review_video(
    poses: SavedPoses, index: PosesIndex, given: str | None, max_pixels: int = MAX_PIXELS
) -> ReviewVideo | str:
    """Open the video of poses, or say in one line why there is none.

    Args:
        poses: The poses.
        index: Of the same file, with a frame at least.
        given: The video; None for the source that the poses name.
        max_pixels: As for `open_video`.

    Raises:
        VideoError: The given video cannot be read, or its images have another shape.
    """
    header = poses.header
    first = index.read(0, 1)[0]
    black = Frame(first.frame, first.time_s, make_black_image(first.get_size_wh(header)))
    source = header.source if given is None else given
    try:
        with open_video_of(poses, black, given, max_pixels) as video:
            info, files = video.info, video.list_files()
    except VideoError as error:
        if given is not None:
            raise
        return str(error)
    size_note, length_note = describe_other_size(info, black.size_wh), _describe_other_length(info, index)
    content_note = None
    if size_note is None and length_note is None:
        content_note = _describe_other_content(info.source, files, header)
    for note in filter(None, (length_note, content_note)):
        _log.warning("%s", note)
    film = Film(
        str(source),
        index.frames,
        index.times_s,
        image_fps=header.fps or DEFAULT_FPS,
        max_pixels=max_pixels,
    )
    is_playable = info.kind == "video" and len(files) == 1
    notes = tuple(note for note in (size_note, length_note, content_note) if note is not None)
    return ReviewVideo(film, files[0] if is_playable else None, notes)


def _describe_other_length(info: VideoInfo, index: PosesIndex) -> str | None:
    """What to say of a video that ends before its poses do, or goes on behind them; None of any other."""
    if info.num_frames is None:
        return None
    first_s, last_s = float(index.times_s[0]), float(index.times_s[-1])
    end_s = first_s + info.num_frames / float(info.fps or DEFAULT_FPS)
    provenance = index.header.provenance
    every = 1 if provenance is None else provenance.every
    if end_s < last_s - _OTHER_LENGTH_S:
        return (
            f"{info.source}: ends at {end_s:.1f} s, but the poses at {last_s:.1f} s; behind its end they are "
            "shown without images"
        )
    is_part = provenance is not None and provenance.end_s is not None
    if not is_part and end_s > last_s + _OTHER_LENGTH_S + every / float(info.fps or DEFAULT_FPS):
        return f"{info.source}: ends at {end_s:.1f} s, but the poses at {last_s:.1f} s already"
    return None


def _describe_other_content(shown: str, files: Sequence[Path], header: Header) -> str | None:
    """What to say of a video whose files are not those of the run; None where they are, or nobody knows."""
    wanted = None if header.provenance is None else header.provenance.source
    if wanted is None or not files or fingerprint_files(files) == wanted:
        return None
    return f"{shown}: not the file that the poses were made from; its frames may not be theirs"
