"""Colours of people and of the sides of their bodies."""

from __future__ import annotations

import colorsys

from posetrack.frame import UNTRACKED

Color = tuple[int, int, int]
"""RGB, each 0..255."""

SIDE_COLORS: dict[str, Color] = {"left": (255, 138, 20), "right": (40, 170, 255), "middle": (235, 235, 235)}
"""Of keypoints and limbs, by the side of the body."""
_UNTRACKED_COLOR: Color = (160, 160, 160)
# Golden ratio, so that hues of consecutive ids differ strongly.
_HUE_STEP = 0.618034


def color_of(track_id: int) -> Color:
    """Compute the RGB colour of a track id, the same in every frame and every run."""
    if track_id == UNTRACKED:
        return _UNTRACKED_COLOR
    r, g, b = colorsys.hsv_to_rgb((track_id * _HUE_STEP) % 1.0, 0.75, 1.0)
    return round(255 * r), round(255 * g), round(255 * b)
