"""Mosaic augmentation: four images on one canvas, for more and smaller people per sample."""

from __future__ import annotations

import numpy as np

Window = tuple[int, int, int, int]
"""A part of a canvas: left, top, right, bottom."""

# Smallest distance between the centre of a mosaic and the canvas's borders, as a fraction of its sides.
_MOSAIC_MARGIN = 0.3


def cut_mosaic(canvas_wh: tuple[int, int], rng: np.random.Generator) -> tuple[Window, ...]:
    """Divide a canvas into four windows about a random point near its centre."""
    fractions = _MOSAIC_MARGIN + (1 - 2 * _MOSAIC_MARGIN) * rng.random(2)
    (width, height), (x, y) = (
        canvas_wh,
        (round(side * fraction) for side, fraction in zip(canvas_wh, fractions, strict=True)),
    )
    return (0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)
