"""Masks of people on their image, their overlap, and what regions to ignore cover."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import zoom

from models.data.run_lengths import decode_run_lengths
from posetrack.evaluation.densepose.truth import SurfaceImage, SurfacePerson
from posetrack.results.coco_masks import encode_mask
from posetrack.results.dense_boxes import BoxXYWH

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]

_MOST_COVERED_BOX = 0.7
_MOST_COVERED_MASK = 0.9


class PlacedMask(NamedTuple):
    """A mask and where on its image it is.

    Attributes:
        pixels: (h, w), inside the image; may be empty.
        left: Column of its first pixel.
        top: Row of its first pixel.
        area: Number of its pixels that are set.
    """

    pixels: Mask
    left: int
    top: int
    area: int


def place_mask(mask: Mask, box: BoxXYWH, image: SurfaceImage) -> PlacedMask:
    """Put the mask of a box on its image, from the truncated corner on, and no further than box and image."""
    left, top = int(box.x), int(box.y)
    right = min(int(box.x + box.w), image.width, left + mask.shape[1])
    bottom = min(int(box.y + box.h), image.height, top + mask.shape[0])
    first_column, first_row = max(left, 0), max(top, 0)
    pixels = mask[first_row - top : max(bottom - top, 0), first_column - left : max(right - left, 0)]
    pixels = pixels if pixels.shape == mask.shape else pixels.copy()
    return PlacedMask(pixels, first_column, first_row, int(np.count_nonzero(pixels)))


def draw_person(person: SurfacePerson, image: SurfaceImage) -> PlacedMask:
    """The annotated mask of a person: the painted parts, else the outline.

    Raises:
        DataError: The painted parts are damaged.
        ResultsError: The outline is.
    """
    if person.masks is not None:
        painted = (person.masks.decode_parts() > 0).astype(np.float64)
        factors = (max(person.box.h, 1) / painted.shape[0], max(person.box.w, 1) / painted.shape[1])
        return place_mask(zoom(painted, factors, order=1, prefilter=False) > 0.5, person.box, image)
    if not person.outline:
        return PlacedMask(np.zeros((0, 0), bool), 0, 0, 0)
    lengths = encode_mask(person.outline, image.height, image.width, f"{person.where}: segmentation")
    whole = decode_run_lengths(lengths).view(np.bool_)
    rows, columns = np.flatnonzero(whole.any(axis=1)), np.flatnonzero(whole.any(axis=0))
    if not len(rows):
        return PlacedMask(whole[:0, :0], 0, 0, 0)
    pixels = whole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    return PlacedMask(pixels, int(columns[0]), int(rows[0]), int(np.count_nonzero(pixels)))


def measure_mask_iou(
    found: Sequence[PlacedMask], truth: Sequence[PlacedMask], crowd: Sequence[bool]
) -> Numbers:
    """(D, G) overlap of masks: of their union, for groups of people of the found mask alone."""
    overlaps = np.zeros((len(found), len(truth)))
    for d, mask in enumerate(found):
        for g, other in enumerate(truth):
            both = _count_both(mask, other)
            if both:
                overlaps[d, g] = both / (mask.area if crowd[g] else mask.area + other.area - both)
    return overlaps


def _count_both(first: PlacedMask, second: PlacedMask) -> int:
    left, top = max(first.left, second.left), max(first.top, second.top)
    right = min(mask.left + mask.pixels.shape[1] for mask in (first, second))
    bottom = min(mask.top + mask.pixels.shape[0] for mask in (first, second))
    if right <= left or bottom <= top:
        return 0
    parts = (
        mask.pixels[top - mask.top : bottom - mask.top, left - mask.left : right - mask.left]
        for mask in (first, second)
    )
    return int(np.count_nonzero(np.logical_and(*parts)))


def draw_ignored(image: SurfaceImage) -> Mask | None:
    """(H, W) the regions to ignore; None where there are none."""
    if not image.ignored:
        return None
    lengths = encode_mask(image.ignored, image.height, image.width, f"{image.where}: ignore_regions")
    return decode_run_lengths(lengths).view(np.bool_)


def is_kept(box: BoxXYWH, ignored: Mask | None, mask: Mask | None = None) -> bool:
    """Whether somebody is outside the regions to ignore, as the public tool decides.

    Quirks of it: a box of no pixels is left out where there are regions; one that begins left of the image or
    above it, an empty mask, and one that goes beyond the image to the right or below, is kept.

    Args:
        box: The box.
        ignored: (H, W) the regions; None for none.
        mask: (h, w) of a result, over its box; None for an annotated person, of whom the box is covered.
    """
    if ignored is None:
        return True
    x, y, w, h = map(int, box)
    if w * h == 0:
        return False
    covered = ignored[y : min(y + h, ignored.shape[0]), x : min(x + w, ignored.shape[1])]
    if not covered.any():
        return True
    if mask is None:
        return bool(np.count_nonzero(covered) / w / h < _MOST_COVERED_BOX)
    if mask.shape != covered.shape or not mask.any():
        return True
    return bool(np.count_nonzero(mask & covered) / np.count_nonzero(mask) < _MOST_COVERED_MASK)
