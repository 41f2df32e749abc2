"""Keypoints and masks encoded as maps over people's boxes, and decoded.

A map has S x S cells over a box: the middle of cell (c, r) is x0 + (c + 0.5) * width / S, y0 + (r + 0.5) *
height / S, in pixels where the image's first pixel goes from 0 to 1.

Error of decode(encode(x)) in each axis: 0.2 cells and half a pixel; 0.75 cells in the cell next to the border.

Source: He et al., "Mask R-CNN", ICCV 2017, section 3 and appendix, through torchvision; the Gaussian targets:
Ye and Ma, "Offset Allows for Extra Flexibility", 2021, section 3.3.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812, the name that torch's own documentation uses
from torch import Tensor
from torchvision.models.detection.roi_heads import heatmaps_to_keypoints, paste_masks_in_image

SIGMA_CELLS = 1.0
"""Standard deviation of the Gaussians."""
_PEAK_CELLS = 5


def encode_keypoints(keypoints_xyv: Tensor, boxes_xyxy: Tensor, side: int) -> Tensor:
    """Encode keypoints as Gaussian heatmaps over their people's boxes.

    Args:
        keypoints_xyv: (N, K, 3): x and y in pixels; above 0 where the keypoint is annotated.
        boxes_xyxy: (N, 4), not empty.
        side: S.

    Returns:
        (N, K, S, S): exp(-d^2 / (2 sigma^2)), d the distance from a cell's middle to the keypoint in cells. All
        0 for a keypoint that is not annotated or lies outside its box.
    """
    origins, sizes = boxes_xyxy[:, None, :2], (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2])[:, None]
    fractions = (keypoints_xyv[..., :2] - origins) / sizes
    is_inside = ((fractions >= 0) & (fractions <= 1)).all(dim=-1) & (keypoints_xyv[..., 2] > 0)
    centres = fractions * side - 0.5
    cells = torch.arange(side, dtype=centres.dtype, device=centres.device)
    along = torch.exp(-((cells - centres[..., None]) ** 2) / (2 * SIGMA_CELLS**2))
    across_x, across_y = along[..., 0, :], along[..., 1, :]
    heatmaps = across_y[..., :, None] * across_x[..., None, :]
    # `where`, so that a keypoint far away or not a number leaves nothing behind.
    return torch.where(is_inside[..., None, None], heatmaps, torch.zeros_like(heatmaps))


def decode_keypoints(heatmaps: Tensor, boxes_xyxy: Tensor) -> tuple[Tensor, Tensor]:
    """Decode keypoints from heatmaps over boxes.

    Args:
        heatmaps: (N, K, S, S).
        boxes_xyxy: (N, 4).

    Returns:
        Keypoints (N, K, 2) xy in pixels, where the map, enlarged to the box by bicubic interpolation, is
        highest; and its value there (N, K).
    """
    keypoints, scores = heatmaps_to_keypoints(heatmaps.float(), boxes_xyxy.float())
    return keypoints[..., :2], scores


def score_peaks(logits: Tensor) -> Tensor:
    """Score the peaks of heatmaps that were trained by cross-entropy over their cells.

    Args:
        logits: (N, K, S, S).

    Returns:
        (N, K), in 0..1: the highest probability of any 5 x 5 cells; that of all cells is 1.
    """
    fractions = logits.float().flatten(2).softmax(dim=2).reshape(logits.shape)
    windows = F.avg_pool2d(fractions, _PEAK_CELLS, stride=1, padding=_PEAK_CELLS // 2, divisor_override=1)
    return windows.amax(dim=(2, 3)).clamp(max=1)


def decode_masks(masks: Tensor, boxes_xyxy: Tensor, size_wh: tuple[int, int]) -> Tensor:
    """Paste masks over boxes into the image.

    Args:
        masks: (N, S, S), probabilities that cells are the person.
        boxes_xyxy: (N, 4).
        size_wh: Width and height of the image.

    Returns:
        (N, H, W) bool: where the probability is above 0.5.
    """
    W, H = size_wh
    pasted: Tensor = paste_masks_in_image(masks[:, None], boxes_xyxy, (H, W))
    return pasted[:, 0] > 0.5
