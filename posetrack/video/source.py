"""Opening of frame sources: a file, a URL, or a folder, glob pattern or list of images."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from itertools import groupby
from pathlib import Path

from posetrack.addresses import show_address
from posetrack.errors import VideoError
from posetrack.video.base import Selection, VideoInfo, VideoSource
from posetrack.video.container import can_open_again
from posetrack.video.decode import VideoFile
from posetrack.video.image_pages import is_animated_png
from posetrack.video.image_stack import open_stack
from posetrack.video.images import ImageSequence, find_images, find_videos, is_image_name, natural_key
from posetrack.video.limits import MAX_PIXELS
from posetrack.video.silence import NETWORK_TIMEOUT_S, Silence, wait_for

__all__ = ["Source", "VideoInfo", "VideoSource", "group_sources", "may_be_silent", "open_video", "read_lists"]

_log = logging.getLogger(__name__)

LIST_SUFFIX = ".txt"
"""End of the names of files that list sources."""

Source = str | tuple[str, ...]
"""One source: a path, a URL or a glob; or the image files of one sequence, in order."""


def open_video(
    source: str | Path | Sequence[str],
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    every: int = 1,
    anchor: int | None = None,
    image_fps: Fraction = Fraction(25),
    max_pixels: int = MAX_PIXELS,
    timeout_s: float | None = None,
) -> VideoSource:
    """Open a source of frames and read up to its first selected frame.

    Args:
        source: A file that FFmpeg reads, a URL (anything with `://`), a folder of images, a quoted glob
            of images, one image file, or those of one sequence (see `group_sources`). A single file may hold
            several images (TIFF, animated WebP and PNG); in a sequence the first one of each is read.
        start_s: Start of the part to read, in seconds from the source's first frame.
        end_s: End of the part, exclusive; None for the end of the source.
        every: Read the first frame of the part and every n-th after it.
        anchor: Of a video, index of the frame from which they are counted instead.
        image_fps: Frames per second of a sequence of images.
        max_pixels: The most pixels that an image may have.
        timeout_s: Longest time without data, here and in reading; None for 20 s for a URL and no limit for
            others.

    Returns:
        The open source; it is also a context manager.

    Raises:
        VideoError: The source is missing, unreadable or has no images; or the part is empty.
        SilentSourceError: It gives no data for longer than the time-out.
    """
    selection = Selection(start_s, end_s, every, anchor)
    if timeout_s is None and not may_be_silent(source):
        return _open(source, selection, image_fps, max_pixels)
    address = os.fspath(source) if isinstance(source, str | Path) else _describe(source)
    if timeout_s is None and "://" in address and not can_open_again(address):
        timeout_s = NETWORK_TIMEOUT_S
    silence = Silence(show_address(address), timeout_s)
    open_it = partial(_open, source, selection, image_fps, max_pixels, silence)
    video = wait_for(open_it, silence, VideoSource.close)
    video.read_apart(silence)
    return video


def may_be_silent(source: str | Path | Sequence[str]) -> bool:
    """Whether a source is a pipe, a device or a network address, which may have nothing to read for ever."""
    if not isinstance(source, str | Path):
        return False
    path = os.fspath(source)
    return not can_open_again(path) and ("://" in path or (os.path.exists(path) and not os.path.isdir(path)))


def _open(
    source: str | Path | Sequence[str],
    selection: Selection,
    image_fps: Fraction,
    max_pixels: int,
    silence: Silence | None = None,
) -> VideoSource:
    open_images = partial(ImageSequence, selection=selection, fps=image_fps, max_pixels=max_pixels)
    if isinstance(source, Sequence) and not isinstance(source, str):
        return open_images(tuple(source), source=_describe(source))
    source = os.fspath(source)
    if os.path.isdir(source):
        return open_images(find_images(source), source=source, name=Path(source).resolve().name)
    if "://" in source or (os.path.exists(source) and not is_image_name(source)):
        return VideoFile(source, selection, max_pixels=max_pixels, silence=silence)
    if is_animated_png(source):
        return VideoFile(source, selection, max_pixels=max_pixels, silence=silence)
    if os.path.exists(source):
        stack = open_stack(source, selection, image_fps, max_pixels)
        if stack is not None:
            return stack
        return open_images((source,), source=source, name=Path(source).stem)
    if glob.has_magic(source):
        images = _match_images(source)
        if isinstance(images, str):
            return VideoFile(images, selection, max_pixels=max_pixels, silence=silence)
        return open_images(images, source=source, name=Path(images[0]).resolve().parent.name)
    raise VideoError(f"{show_address(source)}: no such file or folder; check the path")


def group_sources(arguments: Sequence[str]) -> list[Source]:
    """Group command-line arguments into sources, each of which `open_video` accepts.

    A shell expands `frames/*.jpg` into many arguments: consecutive image files of one folder become one
    image sequence, in natural order (2 before 10). Everything else is a source of its own. A quoted glob
    that matches images is one source; otherwise each file that it matches is one. So is each video of a folder
    without images.
    """
    expanded: list[str] = []
    for argument in arguments:
        videos = find_videos(argument) if os.path.isdir(argument) else ()
        if videos and not _holds_images(argument):
            expanded += videos
            continue
        if videos:
            _log.warning("%s: holds images too; its %d videos are left out", argument, len(videos))
        matches = [] if "://" in argument or os.path.exists(argument) else _matches(argument)
        expanded += [argument] if not matches or any(map(is_image_name, matches)) else matches

    def image_folder(argument: str) -> str | None:
        is_image = is_image_name(argument) and "://" not in argument and os.path.isfile(argument)
        return os.path.dirname(argument) if is_image else None

    sources: list[Source] = []
    for folder, group in groupby(expanded, key=image_folder):
        members = list(group)
        if folder is None or len(members) == 1:
            sources += members
        else:
            sources.append(tuple(sorted(members, key=natural_key)))
    return sources


def read_lists(arguments: Sequence[str]) -> list[str]:
    """Put the sources of text files, one a line, in the places of these.

    Paths in them are relative to the current folder, as on the command line. Blank lines, and those that begin
    with `#`, are left out.

    Args:
        arguments: Sources; those that are files whose names end with `.txt` are lists.

    Raises:
        VideoError: A list cannot be read, or is none.
    """
    expanded: list[str] = []
    for argument in arguments:
        is_list = argument.lower().endswith(LIST_SUFFIX) and "://" not in argument and os.path.isfile(argument)
        expanded += _read_list(argument) if is_list else [argument]
    return expanded


def _read_list(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = [line.strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise VideoError(
            f"{path}: cannot be read: {reason}; expected a text file of sources, one a line"
        ) from error
    sources = [line for line in lines if line and not line.startswith("#")]
    if not sources:
        raise VideoError(f"{path}: names no source; expected one a line")
    if any("\0" in source for source in sources):
        raise VideoError(f"{path}: is no text; expected a text file of sources, one a line")
    return sources


def _holds_images(folder: str) -> bool:
    return any(is_image_name(name) and not name.startswith(".") for name in os.listdir(folder))


def _matches(pattern: str) -> list[str]:
    """The files that a glob pattern matches, in natural order."""
    if not glob.has_magic(pattern):
        return []
    return sorted(filter(os.path.isfile, glob.iglob(pattern, recursive=True)), key=natural_key)


def _match_images(pattern: str) -> tuple[str, ...] | str:
    """The images that a pattern matches, or the one file that it matches, which is no image."""
    matches = _matches(pattern)
    if not matches:
        raise VideoError(f"{show_address(pattern)}: no file matches; check the pattern")
    images = tuple(filter(is_image_name, matches))
    if images:
        return images
    if len(matches) == 1:
        return matches[0]
    raise VideoError(f"{pattern}: matches {len(matches)} files and no images; open them one by one")


def _describe(paths: Sequence[str]) -> str:
    """The display name of an image sequence that was given as files."""
    if not paths:
        raise VideoError("an image sequence needs at least one image; none was given")
    if len(paths) == 1:
        return paths[0]
    suffixes = {Path(path).suffix for path in paths}
    return os.path.join(os.path.dirname(paths[0]), f"*{suffixes.pop()}" if len(suffixes) == 1 else "*")
