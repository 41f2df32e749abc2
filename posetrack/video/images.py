"""Image files as a source of frames: a folder, a glob pattern, a list, or one image."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

from posetrack.errors import VideoError
from posetrack.frame import Frame
from posetrack.video.base import Selection, VideoInfo, VideoSource
from posetrack.video.image_files import ImageReader
from posetrack.video.image_pages import PAGED_SUFFIXES, find_pages
from posetrack.video.limits import MAX_PIXELS

IMAGE_SUFFIXES = frozenset(
    [".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"]
)
_VIDEO_SUFFIXES = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".mpg",
        ".mpeg",
        ".ts",
        ".mts",
        ".m2ts",
        ".flv",
        ".wmv",
        ".gif",
    ]
)
_NAMES_SHOWN = 5


def is_image_name(path: str) -> bool:
    """Whether the suffix of a path is that of an image file that can be read."""
    return os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES


# Longer digits are no numbers that anybody counts in; Python refuses to read thousands of them.
_LONGEST_NUMBER = 100

_Tokens = list[tuple[int, int, str]]


def natural_key(path: str) -> tuple[_Tokens, _Tokens, str]:
    """Sort key of the natural order: `img.jpg` before `img2.jpg` before `img10.jpg`."""
    folder, name = os.path.split(path)
    return _tokenize(folder), _tokenize(os.path.splitext(name)[0]), path


def _tokenize(text: str) -> _Tokens:
    return [
        (0, int(token), "") if token.isdecimal() and len(token) <= _LONGEST_NUMBER else (1, 0, token)
        for token in re.findall(r"\d+|\D", text.lower())
    ]


def find_images(folder: str) -> tuple[str, ...]:
    """The image files of a folder in natural order, without hidden ones.

    Raises:
        VideoError: The folder cannot be read, or holds no images.
    """
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(".")]
    except OSError as error:
        raise VideoError(
            f"{folder}: the folder cannot be read: {error.strerror}; check its permissions"
        ) from error
    images = sorted(filter(is_image_name, names), key=natural_key)
    if not images:
        videos = find_videos(folder)
        remedy = (
            f"it holds {len(videos)} videos: open them one by one, such as {videos[0]}"
            if videos
            else "give a folder with .jpg, .png or other image files"
        )
        raise VideoError(f"{folder}: no images in this folder; {remedy}")
    return tuple(os.path.join(folder, name) for name in images)


def find_videos(folder: str) -> tuple[str, ...]:
    """The video files of a folder in natural order, without hidden ones; none where it cannot be read."""
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(".")]
    except OSError:
        return ()
    videos = (name for name in names if os.path.splitext(name)[1].lower() in _VIDEO_SUFFIXES)
    return tuple(os.path.join(folder, name) for name in sorted(videos, key=natural_key))


class ImageSequence(VideoSource):
    """Image files, one frame each, at an even rate.

    A file that cannot be read, or has too many pixels, is skipped with a warning; the frames after it keep
    their index and time.
    """

    def __init__(
        self,
        paths: tuple[str, ...],
        selection: Selection,
        fps: Fraction,
        *,
        source: str,
        name: str | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """Select the part and read its first image.

        Args:
            paths: Image files in order.
            selection: The part to read.
            fps: Images per second.
            source: The source as the user gave it.
            name: Name for outputs; None for that of the images' folder.
            max_pixels: The most pixels that an image may have.

        Raises:
            VideoError: `fps` is not positive, the part is empty, or no image can be read.
        """
        super().__init__()
        if fps <= 0:
            raise VideoError(f"{source}: {fps} images per second; give a rate above 0")
        self._fps = fps
        self._source = source
        self._paths = paths
        self._selection = selection
        self._max_pixels = max_pixels
        self._reader = ImageReader(max_pixels)
        self._unreadable: list[str] = []
        self._too_large: list[str] = []
        self._has_told_pages = False
        wanted = [i for i in range(len(paths)) if self._is_wanted(i, selection)]
        if not wanted:
            raise VideoError(selection.describe_empty(source, float(len(paths) / fps)))
        wanted = wanted[:: selection.every]
        self._num_wanted = len(wanted)
        self._images = self._read([(i, paths[i]) for i in wanted])
        self._first = next(self._images, None)
        if self._first is None and self._too_large and not self._unreadable:
            raise VideoError(self._too_large[0])
        if self._first is None:
            self._report()
            raise VideoError(
                f"{source}: no image could be read, the first is {paths[wanted[0]]}; "
                "the files are damaged or not images"
            )
        width, height = self._first.size_wh
        self.info = VideoInfo(
            source=source,
            name=name or Path(paths[0]).resolve().parent.name,
            width=width,
            height=height,
            fps=fps,
            time_base=1 / fps,
            num_frames=len(wanted),
            kind="images",
        )

    def list_files(self) -> tuple[Path, ...]:
        """The image files, those outside the selected part included."""
        return tuple(map(Path, self._paths))

    def _open_again(self) -> ImageSequence:
        return ImageSequence(
            self._paths,
            self._selection,
            self._fps,
            source=self._source,
            name=self.info.name,
            max_pixels=self._max_pixels,
        )

    def _is_wanted(self, index: int, selection: Selection) -> bool:
        time_s = float(index / self._fps)
        return selection.start_s <= time_s and (selection.end_s is None or time_s < selection.end_s)

    def _read(self, files: list[tuple[int, str]]) -> Iterator[Frame]:
        for index, path in files:
            try:
                image = self._reader.read(path)
                self._tell_pages(path)
            except VideoError as error:
                self.num_damaged += 1
                self._too_large.append(str(error))
                continue
            if image is None:
                self.num_damaged += 1
                self._unreadable.append(os.path.basename(path))
                continue
            yield Frame(index=index, time_s=float(index / self._fps), image=image)

    def _read_frames(self) -> Iterator[Frame]:
        if self._first is None:
            return
        frames = chain([self._first], self._images)
        self._first = None
        try:
            for frame in frames:
                self._tell_depth()
                self._watch_size(frame)
                yield frame
        finally:
            self._report()

    def _tell_pages(self, path: str) -> None:
        """Tell of the first file that holds several images."""
        is_such = path.lower().endswith(PAGED_SUFFIXES)
        if self._has_told_pages or not is_such or len(self._paths) == 1:
            return
        pages = find_pages(path, self._fps, self._max_pixels, self._reader.to_eight_bits)
        if pages is not None:
            self._has_told_pages = True
            self._warn(
                f"{self._source}: {os.path.basename(path)} holds {len(pages.times_s)} images, of which the "
                "first is read, as of others of its kind; to read all, give each file as a source of its own"
            )

    def _tell_depth(self) -> None:
        """Log how images of more than 8 bits are shown."""
        notes = self._reader.to_eight_bits.notes
        while notes:
            self._tell(f"{self._source}: {notes.pop(0)}")

    def _report(self) -> None:
        if self._unreadable:
            names = ", ".join(self._unreadable[:_NAMES_SHOWN])
            names += ", ..." if len(self._unreadable) > _NAMES_SHOWN else ""
            self._warn(
                f"{self._source}: {len(self._unreadable)} of {self._num_wanted} images could not be read "
                f"and were left out: {names}"
            )
            self._unreadable = []
        if self._too_large:
            self._warn(
                f"{self._source}: {len(self._too_large)} of {self._num_wanted} images are too large and were "
                f"left out: {self._too_large[0]}"
            )
            self._too_large = []

    def _release(self) -> None:
        self._images = iter(())
        self._first = None
