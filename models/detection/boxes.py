"""Boxes of one image, chosen by their scores."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import batched_nms, clip_boxes_to_image, remove_small_boxes

_MIN_SIDE_PX = 1e-2


def promote(values: Tensor) -> Tensor:
    """Convert to float32 what is less precise: bfloat16 has steps of 2 px from 256 px on."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def choose_boxes(
    boxes_xyxy: Tensor,
    scores: Tensor,
    size_hw: tuple[int, int],
    *,
    score_threshold: float,
    nms_iou: float,
    max_boxes: int,
) -> dict[str, Tensor]:
    """Choose the boxes of one image: torchvision's `postprocess_detections` with settings as arguments.

    Args:
        boxes_xyxy: (N, C, 4): the box of each region and class; class 0 is the background.
        scores: (N, C).
        size_hw: Height and width of the image; boxes are clipped to it.
        score_threshold: Boxes need a higher score.
        nms_iou: Of two boxes of a class that overlap more than this, the lower-scoring one is dropped.
        max_boxes: So many of the best are kept.

    Returns:
        `boxes` (M, 4), `labels` (M,), 1 to C - 1, and `scores` (M,), best first.
    """
    # Every class of a region is a box of its own.
    labels = torch.arange(1, scores.shape[1], device=scores.device).expand(len(scores), -1).reshape(-1)
    scores = scores[:, 1:].reshape(-1)
    boxes = clip_boxes_to_image(boxes_xyxy[:, 1:], size_hw).reshape(-1, 4)
    kept = torch.where(scores > score_threshold)[0]
    kept = kept[remove_small_boxes(boxes[kept], _MIN_SIDE_PX)]
    kept = kept[batched_nms(boxes[kept], scores[kept], labels[kept], nms_iou)[:max_boxes]]
    return {"boxes": boxes[kept], "labels": labels[kept], "scores": scores[kept]}
