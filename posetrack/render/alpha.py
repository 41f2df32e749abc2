"""Transparency of a drawing, from what it looks like on black and on white."""

from __future__ import annotations

import cv2
import numpy as np

from posetrack.frame import ImageArray

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def find_alpha(on_black: ImageArray, on_white: ImageArray) -> ImageArray:
    """Find the colours and the opacity of a drawing: over black it is a c, over white a c + (1 - a).

    Args:
        on_black: (H, W, 3) uint8, the drawing over black.
        on_white: (H, W, 3) uint8, the same over white.

    Returns:
        (H, W, 4) uint8 RGBA, not premultiplied: edges have the colour of what they are the edge of. Black where
        nothing is drawn.
    """
    rgba = np.zeros((*on_black.shape[:2], 4), np.uint8)
    is_white, is_black = cv2.inRange(on_white, _WHITE, _WHITE), cv2.inRange(on_black, _BLACK, _BLACK)
    is_drawn = cv2.bitwise_and(is_white, is_black) == 0
    black, white = on_black[is_drawn].astype(np.float32), on_white[is_drawn].astype(np.float32)
    # Of the three channels the mean, against rounding.
    alpha = np.clip(255 - (white - black).mean(axis=1), 0, 255)
    colors = black * 255 / np.maximum(alpha, 1)[:, None]
    rgba[is_drawn] = np.rint(np.clip(np.column_stack([colors, alpha]), 0, 255))
    return rgba
