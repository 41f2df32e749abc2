"""Lines, dots and boxes with a thin dark outline, and the sizes of everything that is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.frame import FloatArray, ImageArray, to_pixel_indices
from posetrack.render.bodies import limit
from posetrack.render.colors import OUTLINE_COLOR, Color

FixedPoints = npt.NDArray[np.int32]
"""Points in OpenCV's fixed point, (..., 2)."""

# OpenCV draws at 1/8 pixel.
_SUBPIXEL_BITS = 3


@dataclass(frozen=True)
class Pen:
    """Widths that suit the size of an image.

    Attributes:
        line_px: Width of lines.
        outline_px: Width of the outline on each side.
    """

    line_px: int
    outline_px: int

    @classmethod
    def for_size(cls, size_wh: tuple[int, int]) -> Pen:
        """The pen for an image of this width and height."""
        side = min(size_wh)
        return cls(1 + round(side / 360), max(1, round(side / 720)))

    @property
    def outlined_px(self) -> int:
        """Width of a line with its outline."""
        return self.line_px + 2 * self.outline_px

    @property
    def dot_px(self) -> int:
        """Diameter of a dot."""
        return 2 * self.line_px + 1


def fix(points_xy: FloatArray) -> FixedPoints:
    """Convert continuous pixels to indices of pixels in OpenCV's fixed point."""
    fixed: FixedPoints = np.rint(to_pixel_indices(limit(points_xy)) * 2**_SUBPIXEL_BITS).astype(np.int32)
    return fixed


def draw_lines(image: ImageArray, lines: Sequence[FixedPoints], color: Color, width_px: int) -> None:
    """Draw lines (n, 2) through points; a line between two equal points is a dot."""
    if lines:
        cv2.polylines(image, lines, False, color, width_px, cv2.LINE_AA, _SUBPIXEL_BITS)


def draw_boxes(image: ImageArray, boxes_xyxy: FloatArray, colors: Sequence[Color], pen: Pen) -> None:
    """Draw N outlined boxes in N colours."""
    # On whole pixels, for sharp vertical lines.
    corners = np.floor(limit(boxes_xyxy)).astype(np.int32).tolist()
    for (left, top, right, bottom), color in zip(corners, colors, strict=True):
        for tone, width in ((OUTLINE_COLOR, pen.outlined_px), (color, pen.line_px)):
            cv2.rectangle(image, (left, top), (right, bottom), tone, width)
