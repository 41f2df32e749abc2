"""Draw masks as a tint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posetrack.frame import BoolArray, ImageArray
from posetrack.render.colors import Color

_OPACITY = 0.4


def draw_masks(image: ImageArray, masks: BoolArray, colors: Sequence[Color], is_tinted: BoolArray) -> None:
    """Tint what masks cover.

    Args:
        image: (H, W, 3) uint8 RGB, which is changed.
        masks: (N, H, W).
        colors: N colours.
        is_tinted: (N,), which masks are drawn.
    """
    for i in np.flatnonzero(is_tinted):
        mask = masks[i]
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            continue
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        inside = mask[part]
        tinted = image[part][inside] * (1 - _OPACITY) + np.array(colors[int(i)]) * _OPACITY
        image[part][inside] = tinted.astype(np.uint8)
