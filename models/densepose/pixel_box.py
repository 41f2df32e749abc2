"""The whole pixels of an image that the dense pose of a box covers; nothing here imports torch."""

from __future__ import annotations

from typing import Any, NamedTuple


class PixelBox(NamedTuple):
    """The whole pixels of an image that a box covers.

    Attributes:
        x: Left column.
        y: Top row.
        w: Width, at least 1.
        h: Height, at least 1.
    """

    x: int
    y: int
    w: int
    h: int


def find_pixels(box_xyxy: Any) -> PixelBox:
    """The pixels of a box, an array or tensor (4,): its corner, width and height, each truncated.

    The width and height are those in the box's own type, so that float32 boxes have the same in every program.
    """
    x, y = box_xyxy[:2].tolist()
    width, height = (box_xyxy[2:] - box_xyxy[:2]).tolist()
    return PixelBox(int(x), int(y), max(int(width), 1), max(int(height), 1))
