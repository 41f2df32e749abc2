"""Boxes of one image, chosen by their scores."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_iou, clip_boxes_to_image, nms, remove_small_boxes

from models.detection.config import BoxChoice

_MIN_SIDE_PX = 1e-2
_LEAST_VOTE = 0.05
"""Boxes below this score have no vote: they would hardly weigh."""


def promote(values: Tensor) -> Tensor:
    """Convert to float32 what is less precise: bfloat16 has steps of 2 px from 256 px on."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def nms_by_group(boxes_xyxy: Tensor, scores: Tensor, groups: Tensor, max_iou: float) -> Tensor:
    """Non-maximum suppression in each group of boxes: torchvision's `batched_nms`, faster on a CPU.

    Args:
        boxes_xyxy: (N, 4).
        scores: (N,).
        groups: (N,) integers, ascending.
        max_iou: Of two boxes of a group that overlap more than this, the lower-scoring one is dropped.

    Returns:
        Rows of the boxes that stay, best first.
    """
    if boxes_xyxy.device.type != "cpu":
        stayed: Tensor = batched_nms(boxes_xyxy, scores, groups, max_iou)
        return stayed
    # The time of `nms` grows with the square of the number of boxes.
    kept, start = [torch.zeros(0, dtype=torch.int64)], 0
    for count in torch.unique_consecutive(groups, return_counts=True)[1].tolist():
        rows = slice(start, start + count)
        kept.append(nms(boxes_xyxy[rows], scores[rows], max_iou) + start)
        start += count
    stayed = torch.cat(kept)
    return stayed[scores[stayed].argsort(descending=True, stable=True)]


def choose_boxes(
    boxes_xyxy: Tensor, scores: Tensor, size_hw: tuple[int, int], choice: BoxChoice, max_boxes: int
) -> dict[str, Tensor]:
    """Choose the boxes of one image, by default as torchvision's `postprocess_detections` does.

    Args:
        boxes_xyxy: (N, C, 4): the box of each region and class; class 0 is the background.
        scores: (N, C).
        size_hw: Height and width of the image; boxes are clipped to it.
        choice: How they are chosen.
        max_boxes: So many of the best are kept.

    Returns:
        `boxes` (M, 4), `labels` (M,), 1 to C - 1, and `scores` (M,), best first.
    """
    # Every class of a region is a box of its own.
    labels = torch.arange(1, scores.shape[1], device=scores.device).expand(len(scores), -1).reshape(-1)
    scores = scores[:, 1:].reshape(-1)
    boxes = clip_boxes_to_image(boxes_xyxy[:, 1:], size_hw).reshape(-1, 4)
    likely = torch.where(scores > choice.score_threshold)[0]
    likely = likely[remove_small_boxes(boxes[likely], _MIN_SIDE_PX)]
    if choice.is_nms_soft:
        rows, kept_scores = _lower_scores(boxes[likely], scores[likely], labels[likely], choice)
        kept, kept_scores = likely[rows][:max_boxes], kept_scores[:max_boxes]
    else:
        kept = likely[batched_nms(boxes[likely], scores[likely], labels[likely], choice.nms_iou)[:max_boxes]]
        kept_scores = scores[kept]
    chosen = {"boxes": boxes[kept], "labels": labels[kept], "scores": kept_scores}
    if choice.vote_iou < 1:
        voters = torch.where(scores > _LEAST_VOTE)[0]
        chosen["boxes"] = _vote(chosen, boxes[voters], labels[voters], scores[voters], choice.vote_iou)
    return chosen


def _lower_scores(boxes: Tensor, scores: Tensor, labels: Tensor, choice: BoxChoice) -> tuple[Tensor, Tensor]:
    """Soft non-maximum suppression: the rows of the boxes that stay and their scores, best first."""
    overlaps = torch.where(labels[:, None] == labels, box_iou(boxes, boxes), 0.0).cpu().numpy()
    factors = np.where(overlaps > choice.nms_iou, 1 - overlaps, 1)
    left = scores.cpu().numpy().copy()
    rows, kept = [], []
    while left.size and left.max() > choice.score_threshold:
        best = int(left.argmax())
        rows.append(best)
        kept.append(left[best])
        left *= factors[best]
        left[best] = -1
    order = torch.tensor(rows, dtype=torch.int64, device=scores.device)
    return order, torch.tensor(np.array(kept), dtype=scores.dtype, device=scores.device)


def _vote(chosen: dict[str, Tensor], boxes: Tensor, labels: Tensor, scores: Tensor, vote_iou: float) -> Tensor:
    """The chosen boxes (M, 4) after a vote of all boxes; those that no voter overlaps so much stay."""
    is_alike = (box_iou(chosen["boxes"], boxes) >= vote_iou) & (chosen["labels"][:, None] == labels)
    weights = torch.where(is_alike, scores, 0.0)
    total = weights.sum(dim=1, keepdim=True)
    return torch.where(total > 0, weights @ boxes / total.clamp_min(_LEAST_VOTE), chosen["boxes"])
