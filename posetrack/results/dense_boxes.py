"""Boxes of dense poses as files have them, x, y, width and height, and as people have them, without rounding.

Dense poses are over whole pixels that follow from their box by truncation (`models.densepose.pixel_box`), and a
difference in the last digit moves them. So float64 keeps the boxes of files, in which float32 boxes are exact.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from models.densepose.pixel_box import PixelBox, find_pixels
from posetrack.frame import FloatArray
from posetrack.json_fields import expect_numbers, make_error

_LARGEST_SIDE_PX = 10**5


class BoxXYWH(NamedTuple):
    """A box of an image in pixels, not rounded."""

    x: float
    y: float
    w: float
    h: float


def read_box(value: Any, where: str) -> BoxXYWH:
    """Take x, y, width and height in pixels, the last two not negative.

    Raises:
        ResultsError: It is something else.
    """
    box = BoxXYWH(*map(float, expect_numbers(value, 4, where)))
    if box.w < 0 or box.h < 0:
        raise make_error(where, "x, y, width and height, none of the last two negative", value)
    if max(map(abs, box)) > _LARGEST_SIDE_PX:
        raise make_error(where, f"pixels of an image, at most {_LARGEST_SIDE_PX}", value)
    return box


def truncate_box(box: BoxXYWH) -> PixelBox:
    """The whole pixels of a box: its corner, width and height, truncated, the last two at least 1."""
    return PixelBox(int(box.x), int(box.y), max(int(box.w), 1), max(int(box.h), 1))


def take_xywh(box_xyxy: FloatArray) -> BoxXYWH:
    """The box of a person, (4,) float32; `truncate_box` of it gives the pixels that `find_pixels` does."""
    left, top, right, bottom = map(float, box_xyxy)
    pixels = find_pixels(box_xyxy)
    # float32 may have rounded a side up to whole pixels.
    width, height = (
        side if max(int(side), 1) == whole else float(whole)
        for side, whole in zip((right - left, bottom - top), pixels[2:], strict=True)
    )
    return BoxXYWH(left, top, width, height)


def give_xyxy(box: BoxXYWH) -> FloatArray:
    """The box as people have it, (4,) float32; `find_pixels` of it gives what `truncate_box` does."""
    pixels = truncate_box(box)
    sides = [_fit_side(*each) for each in ((box.x, box.w, pixels.w), (box.y, box.h, pixels.h))]
    return np.array([each[end] for end in (0, 1) for each in sides], np.float32)


def _fit_side(start: float, size: float, whole: int) -> tuple[np.float32, np.float32]:
    """The ends of a side in float32, moved by no more than float32 needs to keep the whole pixels."""
    first = np.float32(start)
    if int(first) != int(start):
        first = np.nextafter(first, np.float32(0))
    last = np.float32(start + size)
    step = np.spacing(np.float32(max(abs(start), abs(start + size), whole)))
    while (found := max(int(last - first), 1)) != whole:
        last += step if found < whole else -step
    return first, last
