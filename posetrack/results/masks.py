"""Masks as results files hold them: COCO's compressed run lengths (RLE)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.data.run_lengths import decode_run_lengths
from posetrack.frame import BoolArray
from posetrack.results.coco_masks import encode_mask


def encode_masks(masks: BoolArray) -> list[dict[str, object]]:
    """Compress masks (N, H, W), each to `size` (height, width) and `counts`, COCO's text of run lengths."""
    if not len(masks):
        return []
    from pycocotools import mask as mask_api

    stacked = np.asfortranarray(masks.transpose(1, 2, 0).astype(np.uint8))
    return [
        {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}
        for rle in mask_api.encode(stacked)
    ]


def decode_masks(encoded: Sequence[object], size_wh: tuple[int, int], where: str) -> BoolArray:
    """Read masks back.

    Args:
        encoded: N of what `encode_masks` gives.
        size_wh: Width and height of the image in pixels.
        where: What errors call the list of people.

    Returns:
        (N, H, W).

    Raises:
        ResultsError: One is no mask, or not of the image's size.
    """
    width, height = size_wh
    checked = [encode_mask(mask, height, width, f"{where}people[{i}].mask") for i, mask in enumerate(encoded)]
    decoded = [decode_run_lengths(mask) for mask in checked]
    return np.array(decoded, np.bool_).reshape(-1, height, width)


def compute_mask_areas(masks: BoolArray) -> list[float]:
    """Count the pixels of each mask (N, H, W)."""
    return [float(area) for area in masks.sum(axis=(1, 2))]
