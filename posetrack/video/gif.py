"""The blocks of a GIF file: how many images it has, and whether all of it is there.

FFmpeg ends without a word where a GIF is damaged or cut off, and a GIF declares no number of images.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = b"\x21\xf9\x04"
_GRAPHIC_CONTROL_BYTES = 8
_HEADER_BYTES = 13


@dataclass(frozen=True)
class GifSurvey:
    """What the blocks of a GIF say.

    Attributes:
        num_images: Number of images; of the parts that cannot be read, by their size.
        is_whole: Whether all blocks are there, up to the end mark.
        is_cut: Whether it ends before the end mark, so that more images may have followed.
    """

    num_images: int
    is_whole: bool
    is_cut: bool


def survey_gif(path: Path) -> GifSurvey:
    """Walk through the blocks of a GIF, without decoding its images.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position, is_whole = _HEADER_BYTES, True
        if len(data) > _HEADER_BYTES:
            position += _get_palette_bytes(data[10])
        num_images, bytes_read = 0, 0
        while True:
            start = position
            num_here, position, is_end = _walk(data, position)
            num_images += num_here
            bytes_read += position - start
            if is_end or position >= len(data):
                return GifSurvey(num_images, is_whole and is_end, not is_end)
            is_whole = False
            again = _find_again(data, position)
            lost = (len(data) if again is None else again) - position
            num_images += round(lost / bytes_read * num_images) if bytes_read else 0
            if again is None:
                return GifSurvey(num_images, False, False)
            position = again


def _walk(data: mmap.mmap, position: int) -> tuple[int, int, bool]:
    """Number of images up to a damaged block or the end, its position, and whether it is the end mark."""
    num_images = 0
    while position < len(data):
        kind = data[position]
        if kind == _TRAILER:
            return num_images, position, True
        if kind == _EXTENSION:
            end = _skip_blocks(data, position + 2)
        elif kind == _IMAGE and position + 10 <= len(data):
            end = _skip_blocks(data, position + 11 + _get_palette_bytes(data[position + 9]))
            num_images += end is not None
        else:
            return num_images, position, False
        if end is None:
            return num_images, len(data), False
        position = end
    return num_images, position, False


def _skip_blocks(data: mmap.mmap, position: int) -> int | None:
    """The position behind a chain of blocks; None if the file ends before."""
    while position < len(data):
        length = data[position]
        position += 1 + length
        if length == 0:
            return position
    return None


def _find_again(data: mmap.mmap, position: int) -> int | None:
    """Where the next image begins behind damage, None if there is none."""
    while (position := data.find(_GRAPHIC_CONTROL, position)) >= 0:
        end = position + _GRAPHIC_CONTROL_BYTES
        if end < len(data) and data[end - 1] == 0 and data[end] in (_IMAGE, _EXTENSION):
            return position
        position += 1
    return None


def _get_palette_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0
