"""Image files that hold several images: the pages of a TIFF file, the frames of an animated WebP file."""

from __future__ import annotations

import os
import struct
from abc import ABC, abstractmethod
from collections.abc import Generator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from models.image_size import TiffPage, open_header, read_image_size, read_tiff_pages
from posetrack.frame import ImageArray
from posetrack.video.depth import EightBits, to_rgb
from posetrack.video.limits import check_pixels

PAGED_SUFFIXES = (".tif", ".tiff", ".webp")
"""Suffixes of image files that may hold several images."""

_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_WEBP_FRAME_BYTES = 16
_SHORTEST_MS = 10
_DEFAULT_MS = 100
"""What players show an image for that is declared to last no time."""


class ImagePages(ABC):
    """The images of one file, read one at a time.

    Attributes:
        fps: Images per second, on average.
        times_s: Time of each image.
        is_whole: Whether the file tells of no more images than these.
    """

    def __init__(self, times_s: list[float], fps: Fraction, *, is_whole: bool) -> None:
        self.times_s = times_s
        self.fps = fps
        self.is_whole = is_whole

    @abstractmethod
    def read(self, wanted: list[int]) -> Generator[ImageArray | None]:
        """Read images of ascending numbers: (H, W, 3) uint8 RGB, None for one that is damaged."""


class TiffPages(ImagePages):
    """The pages of a TIFF file, at an even rate."""

    def __init__(
        self, path: str, pages: list[TiffPage], fps: Fraction, to_eight_bits: EightBits, *, is_whole: bool
    ) -> None:
        super().__init__([float(i / fps) for i in range(len(pages))], fps, is_whole=is_whole)
        self._path = path
        self._pages = pages
        self._to_eight_bits = to_eight_bits

    def read(self, wanted: list[int]) -> Generator[ImageArray | None]:
        """Read pages; see `ImagePages.read`."""
        # The system reads the parts of the file that are used; the changed head stays in memory.
        data = np.memmap(self._path, np.uint8, mode="c")
        is_big = 43 in bytes(data[2:4])
        head, code = (slice(8, 16), "Q") if is_big else (slice(4, 8), "I")
        code = ("<" if bytes(data[:2]) == b"II" else ">") + code
        for number in wanted:
            # OpenCV reads the page that the head points to.
            data[head] = np.frombuffer(struct.pack(code, self._pages[number].offset), np.uint8)
            try:
                image = cv2.imdecode(data, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
            except cv2.error:
                image = None
            yield None if image is None else to_rgb(self._to_eight_bits(image))


class WebpFrames(ImagePages):
    """The frames of an animated WebP file, each for as long as it says."""

    def __init__(self, path: str, durations_ms: list[int], *, is_whole: bool) -> None:
        lasting_ms = [each if each > _SHORTEST_MS else _DEFAULT_MS for each in durations_ms]
        ends_ms = np.cumsum([0, *lasting_ms])
        fps = Fraction(1000 * len(lasting_ms), int(ends_ms[-1])).limit_denominator(1001)
        super().__init__((ends_ms[:-1] / 1000).tolist(), fps, is_whole=is_whole)
        self._path = path

    def read(self, wanted: list[int]) -> Generator[ImageArray | None]:
        """Read frames and those before them, on which they depend; see `ImagePages.read`."""
        with open(self._path, "rb") as file:
            image = None
            for before, number in pairwise([-1, *wanted]):
                try:
                    image = open_header(file) if image is None else image
                    for skipped in range(before + 1, number + 1):
                        image.seek(skipped)
                        image.load()
                    pixels = np.asarray(image.convert("RGB"), np.uint8).copy()
                except MemoryError:
                    raise
                except Exception:  # noqa: BLE001 (damage makes Pillow raise anything)
                    yield None
                    continue
                yield pixels


def find_pages(path: str, fps: Fraction, max_pixels: int, to_eight_bits: EightBits) -> ImagePages | None:
    """Look whether an image file holds several images.

    Args:
        path: The file.
        fps: Images per second where the file has no times of its own.
        max_pixels: The most pixels that an image may have.
        to_eight_bits: The conversion of images with more than 8 bits.

    Returns:
        The images; None if there is one only, or the file cannot be read.

    Raises:
        VideoError: An image has too many pixels.
    """
    try:
        with open(path, "rb") as file:
            durations_ms, is_whole = _read_webp_durations(file)
            if len(durations_ms) > 1:
                size_wh = read_image_size(file)
                if size_wh is None:
                    return None
                check_pixels(path, size_wh, max_pixels)
                return WebpFrames(path, durations_ms, is_whole=is_whole)
            file.seek(0)
            pages, is_whole = read_tiff_pages(file)
    except OSError:
        return None
    pages = [page for page in pages if not page.is_aside]
    if len(pages) < 2 and is_whole:
        return None
    for page in pages:
        check_pixels(path, page.size_wh, max_pixels)
    return TiffPages(path, pages, fps, to_eight_bits, is_whole=is_whole) if pages else None


def is_animated_png(path: str) -> bool:
    """Whether a file is a PNG file with several images, which FFmpeg reads as a video."""
    return count_png_images(path) > 1


def count_png_images(path: str | Path) -> int:
    """Number of images that an animated PNG file declares; 0 for other files."""
    try:
        with open(path, "rb") as file:
            if file.read(8) != _PNG_HEAD:
                return 0
            while len(head := file.read(8)) == 8 and head[4:] != b"IDAT":
                length = int.from_bytes(head[:4], "big")
                if head[4:] == b"acTL":
                    return int.from_bytes(file.read(4), "big")
                file.seek(length + 4, os.SEEK_CUR)
    except OSError:
        return 0
    return 0


def _read_webp_durations(file: BinaryIO) -> tuple[list[int], bool]:
    """The declared durations of an animated WebP file's frames, in ms, and whether the file is whole."""
    head = file.read(12)
    size = Path(file.name).stat().st_size
    durations_ms: list[int] = []
    if head[:4] != b"RIFF" or head[8:] != b"WEBP":
        return durations_ms, True
    end = 8 + int.from_bytes(head[4:8], "little")
    position = 12
    while position + 8 <= min(end, size):
        file.seek(position)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"ANMF":
            frame = file.read(_WEBP_FRAME_BYTES)
            durations_ms.append(int.from_bytes(frame[12:15], "little"))
        position += 8 + length + length % 2
    file.seek(0)
    return durations_ms, end <= size
