"""Checks of masks in COCO's encodings, so that a wrong one ends a training before its first step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.data.run_lengths import decode_run_lengths
from models.training.errors import DataError


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
        is_finite = is_valid and all(np.isfinite(part).all() for part in outline)
    except (TypeError, ValueError, OverflowError):
        is_finite = False
    if not is_finite:
        raise DataError(f"{where}: expected polygons of x, y, x, y, ... or run lengths; correct it")


def _check_run_lengths(lengths: Mapping[str, Any], size_wh: tuple[int, int] | None, where: str) -> None:
    try:
        height, width = (int(side) for side in lengths["size"])
        counts = lengths["counts"]
        if isinstance(counts, list):
            is_valid = sum(counts) == height * width and min(counts, default=0) >= 0
        else:
            is_valid = decode_run_lengths(lengths).shape == (height, width)
    except (KeyError, TypeError, ValueError, OverflowError):
        is_valid = False
    if not is_valid:
        raise DataError(f"{where}: expected run lengths with size (height, width) and counts; correct them")
    if size_wh is not None and (width, height) != size_wh:
        raise DataError(
            f"{where}: the mask is {width}x{height}, but its image {size_wh[0]}x{size_wh[1]}; correct them"
        )
