"""Decoding of MoveNet's dense heads to people.

Source: the operations after the heads in MoveNet's published graphs (Google, Apache-2.0). The weights are the
published ones and are not trained here, so there is no encoder.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812, the name that torch's own documentation uses
from torch import Tensor

# Constants of the graphs, in half precision.
_CENTER_WINDOW = 5
_SAME_PEAK = 1.0132789611816406e-06
_REGRESS_SPREAD = 0.300048828125
_SCORED_KEYPOINT = 0.126953125


def decode_multiple(
    heads: dict[str, Tensor], score_threshold: float, max_people: int | None = None
) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Decode the people of each image: multipose.

    A person is a local maximum of the centre map; each keypoint is the peak of its heatmap, weighted by a
    Gaussian about its position regressed from the centre, inside the person's box.

    Differs from the published graph, which keeps the 6 best centres: here all people above `score_threshold`
    are kept, because only the graph's decoder has this limit, not its dense heads.

    Args:
        heads: The outputs of `MoveNet.forward`, each (B, C, H, W).
        score_threshold: Lowest person score. The score is the centre's times the mean of the keypoint scores
            above 0.127, so that the centre's score alone reaches the threshold whenever the product does.
        max_people: Largest number of centres per image, best first.

    Returns:
        Boxes (N, 4) as left, top, right, bottom, box scores (N,), keypoints (N, K, 2) as x, y and keypoint
        scores (N, K) of each image, best centre first. Coordinates are relative to the image (0 to 1).
    """
    center = torch.sigmoid(heads["center"].float())
    # One axis after the other: the same maximum with 10 comparisons per cell instead of 25.
    half = _CENTER_WINDOW // 2
    highest = F.max_pool2d(center, (_CENTER_WINDOW, 1), stride=1, padding=(half, 0))
    highest = F.max_pool2d(highest, (1, _CENTER_WINDOW), stride=1, padding=(0, half))
    is_peak = ((center - highest).abs() < _SAME_PEAK) & (center >= score_threshold)
    people = []
    for i in range(len(center)):
        one = {name: head[i : i + 1].float() for name, head in heads.items()}
        yx = is_peak[i, 0].nonzero()
        scores = center[i, 0, yx[:, 0], yx[:, 1]]
        order = scores.argsort(descending=True, stable=True)[:max_people]
        boxes, box_scores, keypoints, keypoint_scores = _decode_people(one, yx[order], scores[order])
        sure = box_scores >= score_threshold
        people.append((boxes[sure], box_scores[sure], keypoints[sure], keypoint_scores[sure]))
    return people


def _decode_people(
    heads: dict[str, Tensor], center_yx: Tensor, center_scores: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    heatmap = torch.sigmoid(heads["kpt_heatmap"])[0]
    H, W = heatmap.shape[1:]
    first = torch.zeros(len(center_yx), dtype=torch.long, device=heatmap.device)
    boxes_yxyx = _decode_boxes(heads, first, center_yx)
    expected = _regressed_yx(heads["kpt_regress"], first, center_yx)
    weights_y = _axis_weights(expected[..., 0], boxes_yxyx[:, 0], boxes_yxyx[:, 2], H, min(H, W))
    weights_x = _axis_weights(expected[..., 1], boxes_yxyx[:, 1], boxes_yxyx[:, 3], W, min(H, W))
    cells_nk = _find_peaks(heatmap, weights_y, weights_x, boxes_yxyx)
    keypoint_scores = _contested_scores(heatmap, weights_y, weights_x, cells_nk)
    counted = keypoint_scores > _SCORED_KEYPOINT
    mean = (keypoint_scores * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
    keypoints = _refine(heads["kpt_offset"], first, cells_nk)
    size = torch.tensor([W, H], device=heatmap.device)
    boxes = boxes_yxyx[:, [1, 0, 3, 2]] / size.repeat(2)
    return boxes, center_scores * mean, keypoints / size, keypoint_scores


def _find_peaks(heatmap: Tensor, weights_y: Tensor, weights_x: Tensor, boxes_yxyx: Tensor) -> Tensor:
    """Find the cells (N, K) of the largest weighted heatmap values inside the boxes; 0 where all are 0."""
    K, _, W = heatmap.shape
    cells = torch.zeros((len(boxes_yxyx), K), dtype=torch.long, device=heatmap.device)
    lows = boxes_yxyx[:, :2].ceil().long().tolist()
    highs = boxes_yxyx[:, 2:].ceil().long().tolist()
    for i, ((top, left), (bottom, right)) in enumerate(zip(lows, highs, strict=True)):
        if top >= bottom or left >= right:
            continue
        window = heatmap[:, top:bottom, left:right] * weights_y[i, :, top:bottom, None]
        window *= weights_x[i, :, None, left:right]
        highest, peak = window.flatten(1).max(dim=1)
        width = right - left
        cells[i] = ((top + peak // width) * W + left + peak % width) * (highest > 0)
    return cells


def _decode_boxes(heads: dict[str, Tensor], batch: Tensor, center_yx: Tensor) -> Tensor:
    """Decode boxes (N, 4) as top, left, bottom, right in cells, clipped to the image."""
    H, W = heads["box_scale"].shape[-2:]
    y, x = center_yx.unbind(1)
    size_yx = heads["box_scale"][batch, :, y, x].clamp(min=0)
    middle_yx = center_yx + heads["box_offset"][batch, :, y, x]
    limit = torch.tensor([H, W], device=size_yx.device, dtype=size_yx.dtype)
    low = torch.minimum(middle_yx - size_yx / 2, limit).clamp(min=0)
    high = torch.minimum(middle_yx + size_yx / 2, limit).clamp(min=0)
    return torch.cat([low, high], dim=1)


def _axis_weights(expected: Tensor, low: Tensor, high: Tensor, cells: int, short_side: int) -> Tensor:
    """Compute one axis of the Gaussian about each regressed keypoint, 0 outside the box: (N, K, cells).

    Gaussian and box are separable, so distances of (N, K, H, W) are not needed.
    """
    at = torch.arange(cells, device=expected.device, dtype=expected.dtype)
    gaussian = torch.exp(-((at - expected[..., None]) ** 2) / (short_side * _REGRESS_SPREAD))
    inside = (at >= low[:, None]) & (at < high[:, None])
    return gaussian * inside[:, None]


def _contested_scores(heatmap: Tensor, weights_y: Tensor, weights_x: Tensor, cells: Tensor) -> Tensor:
    """Compute keypoint scores (N, K): the largest weighted heatmap value of any person at the chosen cell.

    Two people who choose the same cell both get the higher score, as in the published graph.
    """
    K, _, W = heatmap.shape
    N = len(cells)
    y, x = cells // W, cells % W
    keypoint = torch.arange(K, device=cells.device).expand(N, K)
    best = torch.zeros_like(cells, dtype=heatmap.dtype)
    for anybody_y, anybody_x in zip(weights_y, weights_x, strict=True):
        best = torch.maximum(best, anybody_y[keypoint, y] * anybody_x[keypoint, x])
    return best * heatmap[keypoint, y, x]


def _regressed_yx(regress: Tensor, batch: Tensor, center_yx: Tensor) -> Tensor:
    """Decode the keypoints regressed from each centre, (N, K, 2) as y, x in cells."""
    offsets = regress[batch, :, center_yx[:, 0], center_yx[:, 1]].float()
    return center_yx[:, None] + offsets.reshape(len(offsets), offsets.shape[1] // 2, 2)


def _refine(offset: Tensor, batch: Tensor, cells: Tensor) -> Tensor:
    """Decode keypoints (N, K, 2) as x, y in cells: the chosen cell plus the offset regressed there."""
    W = offset.shape[-1]
    y, x = cells // W, cells % W
    keypoint = torch.arange(cells.shape[1], device=cells.device).expand_as(cells)
    rows = batch[:, None].expand_as(cells)
    refined_y = y + offset[rows, 2 * keypoint, y, x].float()
    refined_x = x + offset[rows, 2 * keypoint + 1, y, x].float()
    return torch.stack([refined_x, refined_y], dim=2)
