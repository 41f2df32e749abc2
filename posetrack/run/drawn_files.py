"""The files of drawn images, by the ends of their names: a video, a GIF, one PNG, or a folder of PNGs."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import cv2

from models.settings import suggest
from posetrack.errors import ResultsError
from posetrack.frame import ImageArray
from posetrack.outputs import make_part, name_part
from posetrack.results.files import cannot_write, check_own_folder
from posetrack.video.base import VideoInfo
from posetrack.video.image_writer import ImageWriter
from posetrack.video.silent_writer import SilentWriter
from posetrack.video.writer import VideoWriter

_PNG_NAMES = "[0-9][0-9][0-9][0-9][0-9][0-9]*.png"
_ALPHA_VIDEOS = (".mov", ".webm")
KNOWN_ENDS = (".mp4", ".gif", ".png", *_ALPHA_VIDEOS)
"""Ends of names that may be written; a name without one is a folder of PNGs."""


def check_drawn_file(path: Path, *, is_transparent: bool, option: str = "--out") -> None:
    """Check the name of an output, before any work.

    Raises:
        ResultsError: There is no such kind of file, or it cannot be transparent.
    """
    end = path.suffix.lower()
    if is_folder(path):
        return
    if end not in KNOWN_ENDS:
        raise ResultsError(
            f"{path}: no such kind of drawing; {suggest(end, KNOWN_ENDS)}; a name without an end is a folder "
            f"of PNGs; use another {option}"
        )
    if is_transparent and end == ".mp4":
        raise ResultsError(
            f"{path}: MP4 has no transparency; write .mov (ProRes 4444), .webm (VP9), .gif, .png or a folder "
            "of PNGs"
        )
    if not is_transparent and end in _ALPHA_VIDEOS:
        raise ResultsError(
            f"{path}: {end} is for drawings on a transparent background (--background transparent); write .mp4"
        )


def is_folder(path: Path) -> bool:
    """Whether an output is a folder of PNGs: its name has no end, or there is a folder of that name."""
    return not path.suffix or path.is_dir()


def open_writer(path: Path, info: VideoInfo, *, audio_from: str | None = None) -> ImageWriter:
    """Open the writer of a drawing.

    Args:
        path: The output, whose name says what it is.
        info: Properties of the source.
        audio_from: The path or URL whose sound an MP4 has; None for none.

    Raises:
        VideoError: A file cannot be written.
        ResultsError: A PNG cannot be written, or a folder holds other files.
    """
    end = path.suffix.lower()
    if is_folder(path):
        return _PngFolder(path)
    if end == ".png":
        return OnePng(path)
    if end == ".mp4":
        return VideoWriter(path, info, audio_from=audio_from)
    return SilentWriter(path, info)


class OnePng(ImageWriter):
    """Writes the first image it is given; a context manager, which removes it after an exception."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._part = make_part(path)
        except OSError as error:
            raise cannot_write(path, error) from error

    def write(self, image: ImageArray, time_s: float) -> None:
        """Write the image, if it is the first."""
        if not self._has_images:
            write_png(self._part, image)
            self._has_images = True

    def _finish(self) -> None:
        try:
            self._part.replace(self._path)
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def abort(self) -> None:
        """Remove what was written; nothing after `close`."""
        with suppress(OSError):
            self._part.unlink(missing_ok=True)


class _PngFolder(ImageWriter):
    """Writes a folder of images: 000000.png, 000001.png and so on."""

    def __init__(self, path: Path) -> None:
        self._path, self._count, self._part = path, 0, name_part(path)
        try:
            if path.exists():
                check_own_folder(path, _PNG_NAMES)
            self.abort()
            self._part.mkdir(parents=True)
        except OSError as error:
            raise cannot_write(path, error) from error

    def write(self, image: ImageArray, time_s: float) -> None:
        write_png(self._part / f"{self._count:06}.png", image)
        self._count += 1
        self._has_images = True

    def _finish(self) -> None:
        try:
            if self._path.exists():
                shutil.rmtree(self._path)
            self._part.replace(self._path)
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def abort(self) -> None:
        with suppress(OSError):
            if self._part.is_symlink() or self._part.is_file():
                self._part.unlink()
        shutil.rmtree(self._part, ignore_errors=True)


def check_sheet_name(path: Path) -> None:
    """Check the name of a contact sheet.

    Raises:
        ResultsError: It is no PNG.
    """
    if path.suffix.lower() != ".png":
        raise ResultsError(f"{path}: a sheet is a PNG of its own; give a name that ends with .png to --sheet")


def encode_png(image: ImageArray) -> bytes:
    """Encode an image as PNG.

    Args:
        image: (H, W, 3) uint8 RGB, or (H, W, 4) RGBA.
    """
    order = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    _, encoded = cv2.imencode(".png", cv2.cvtColor(image, order))
    return encoded.tobytes()


def write_png(path: Path, image: ImageArray) -> None:
    """Write a PNG.

    Args:
        path: The file, replaced if it is there.
        image: (H, W, 3) uint8 RGB, or (H, W, 4) RGBA.

    Raises:
        ResultsError: It cannot be written.
    """
    try:
        path.write_bytes(encode_png(image))
    except OSError as error:
        raise cannot_write(path, error) from error
