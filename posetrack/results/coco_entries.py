"""Entries of COCO's result lists, one a person: what files and evaluation have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.frame import BoolArray
from posetrack.results.masks import encode_masks

PERSON_CATEGORY_ID = 1
"""COCO's number of people."""


def encode_entries(
    image_id: int,
    scores: npt.NDArray[np.floating[Any]],
    *,
    boxes_xywh: npt.NDArray[np.floating[Any]] | None = None,
    keypoints: Sequence[Sequence[float]] | None = None,
    masks: BoolArray | None = None,
) -> list[dict[str, Any]]:
    """Make an entry for each of N people in an image.

    Args:
        image_id: Of the image.
        scores: (N,).
        boxes_xywh: (N, 4), pixels, for `bbox`.
        keypoints: N lists of 3 K numbers, for `keypoints`: x and y as indices of pixels
            (`posetrack.frame.to_pixel_indices`), then v or a score.
        masks: (N, H, W), for `segmentation`, which becomes run lengths.

    Returns:
        N entries with `image_id`, `category_id`, `score` and the fields that were given.
    """
    entries: list[dict[str, Any]] = [
        {"image_id": image_id, "category_id": PERSON_CATEGORY_ID, "score": score} for score in scores.tolist()
    ]
    columns: dict[str, Sequence[object]] = {}
    if boxes_xywh is not None:
        columns["bbox"] = boxes_xywh.tolist()
    if keypoints is not None:
        columns["keypoints"] = keypoints
    if masks is not None:
        columns["segmentation"] = encode_masks(masks)
    for name, column in columns.items():
        for entry, value in zip(entries, column, strict=True):
            entry[name] = value
    return entries
