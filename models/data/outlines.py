"""Checks of masks in COCO's encodings, so that a wrong one ends a training before its first step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.data.run_lengths import decode_run_lengths
from models.training.errors import DataError

_FURTHEST_PX = 10**5
"""Largest coordinate of a polygon: pycocotools draws each pixel of its sides, and crashes of too many."""


def check_outline(outline: Any, size_wh: tuple[int, int] | None, where: str) -> None:
    """Check a mask: polygons x1, y1, x2, y2, ... or run lengths.

    Args:
        outline: The mask.
        size_wh: Width and height of its image, if known.
        where: Name of the mask in messages.

    Raises:
        DataError: It is neither, or run lengths of an image of another size.
    """
    if isinstance(outline, Mapping):
        _check_run_lengths(outline, size_wh, where)
        return
    try:
        sizes = [np.asarray(part, np.float64).shape for part in outline]
        is_valid = all(len(shape) == 1 and shape[0] % 2 == 0 and shape[0] for shape in sizes)
        is_near = is_valid and all((np.abs(part) <= _FURTHEST_PX).all() for part in outline)
    except (TypeError, ValueError, OverflowError):
        is_near = False
    if not is_near:
        raise DataError(
            f"{where}: expected polygons of x, y, ... within {_FURTHEST_PX} px, or run lengths; correct it"
        )


def _check_run_lengths(lengths: Mapping[str, Any], size_wh: tuple[int, int] | None, where: str) -> None:
    try:
        height, width = (int(side) for side in lengths["size"])
        if size_wh is not None and (width, height) != size_wh:  # first: decoding takes memory for that size
            raise DataError(
                f"{where}: the mask is {width}x{height}, but its image {size_wh[0]}x{size_wh[1]}; correct them"
            )
        counts = lengths["counts"]
        if isinstance(counts, list):
            is_valid = sum(counts) == height * width and min(counts, default=0) >= 0
        else:
            is_valid = decode_run_lengths(lengths).shape == (height, width)
    except (KeyError, TypeError, ValueError, OverflowError):
        is_valid = False
    if not is_valid:
        raise DataError(f"{where}: expected run lengths with size (height, width) and counts; correct them")
