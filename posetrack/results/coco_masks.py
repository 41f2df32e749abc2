"""COCO's ways of writing a mask, checked and brought to one: pycocotools trusts them in C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from models.data.run_lengths import parse_run_lengths
from posetrack.errors import ResultsError
from posetrack.json_fields import show

_FURTHEST_PX = 10**5
_FEWEST_POLYGON_NUMBERS = 6


def encode_mask(segmentation: object, height: int, width: int, where: str) -> dict[str, Any]:
    """Bring polygons or run lengths to compressed run lengths (RLE).

    Args:
        segmentation: A list of polygons, each a list x1, y1, x2, y2, ... in pixels, or an object with `size`
            (height, width) and `counts`: a list of run lengths down the columns, or COCO's text of them.
        height: Of the image, pixels.
        width: Of the image, pixels.
        where: What errors call the segmentation.

    Returns:
        `size` and `counts` as pycocotools takes them.

    Raises:
        ResultsError: It is none of these, or is not of the image's size.
    """
    if isinstance(segmentation, Mapping):
        return _encode_run_lengths(segmentation, height, width, where)
    if not isinstance(segmentation, Sequence) or isinstance(segmentation, str | bytes) or not segmentation:
        found = "nothing" if not segmentation else type(segmentation).__name__
        raise ResultsError(f"{where}: expected polygons or run lengths, found {found}")
    from pycocotools import mask as mask_api

    polygons = [_check_polygon(polygon, f"{where}[{i}]") for i, polygon in enumerate(segmentation)]
    merged: dict[str, Any] = mask_api.merge(mask_api.frPyObjects(polygons, height, width))
    return merged


def compute_mask_area(mask: Mapping[str, Any]) -> float:
    """Count the pixels of a mask that `encode_mask` made."""
    from pycocotools import mask as mask_api

    return float(mask_api.area(mask))


def _check_polygon(polygon: object, where: str) -> list[float]:
    what = f"an even number of finite numbers, {_FEWEST_POLYGON_NUMBERS} or more, within {_FURTHEST_PX} px"
    try:
        numbers = np.array(polygon, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ResultsError(f"{where}: expected {what}") from None
    is_fit = numbers.ndim == 1 and len(numbers) >= _FEWEST_POLYGON_NUMBERS and len(numbers) % 2 == 0
    if not is_fit or not (np.abs(numbers) <= _FURTHEST_PX).all():
        raise ResultsError(f"{where}: expected {what}")
    points: list[float] = numbers.tolist()
    return points


def _encode_run_lengths(rle: Mapping[str, Any], height: int, width: int, where: str) -> dict[str, Any]:
    size, counts = rle.get("size"), rle.get("counts")
    if not isinstance(size, Sequence) or list(size) != [height, width]:
        raise ResultsError(
            f"{where}.size: expected [{height}, {width}], as the image has it, found {show(size)}"
        )
    if isinstance(counts, str):
        if not counts.isascii():
            raise ResultsError(f"{where}.counts: expected COCO's text of run lengths")
        counts = counts.encode()
    lengths = counts
    if isinstance(counts, bytes):
        try:
            lengths = parse_run_lengths(counts).tolist()
        except ValueError as error:
            raise ResultsError(f"{where}.counts: {error}") from error
    if not isinstance(lengths, list) or not all(type(each) is int and each >= 0 for each in lengths):
        raise ResultsError(f"{where}.counts: expected run lengths, each 0 or more, or COCO's text of them")
    if sum(lengths) != height * width:
        raise ResultsError(
            f"{where}.counts: {sum(lengths)} pixels, but the image has {height} x {width}; is the mask whole?"
        )
    if isinstance(counts, bytes):
        return {"size": [height, width], "counts": counts}
    from pycocotools import mask as mask_api

    encoded: dict[str, Any] = mask_api.frPyObjects({"size": [height, width], "counts": lengths}, height, width)
    return encoded
