"""Losses of the heads; those of boxes are torchvision's.

Source: Ye and Ma, "Offset Allows for Extra Flexibility", 2021, section 3.3, Eq. 8 and 9; He et al., "Mask
R-CNN", ICCV 2017, section 3 (the cross-entropy over cells).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.models.detection.roi_heads import (
    keypointrcnn_loss,
    maskrcnn_loss,
)

from models.rcnn.codec import encode_keypoints


def compute_keypoint_loss(heatmaps: Tensor, keypoints_xyv: Tensor, boxes_xyxy: Tensor) -> Tensor:
    """Squared error of heatmaps against Gaussians (Eq. 9).

    Differs from Eq. 9 in the mean over keypoints, where it has the sum, so that the loss is of the size of the
    others. People none of whose keypoints are known are left out: nobody says where theirs are.

    Args:
        heatmaps: (N, K, S, S), in 0..1.
        keypoints_xyv: (N, K, 3), of the person of each region.
        boxes_xyxy: (N, 4), the regions.

    Returns:
        A scalar: the mean over people and keypoints of ||F_k - H_k||^2, the sum over cells; 0 for nobody.
    """
    is_known = (keypoints_xyv[..., 2] > 0).any(dim=1)
    targets = encode_keypoints(keypoints_xyv, boxes_xyxy, heatmaps.shape[-1])
    errors = (heatmaps.float() - targets.float()).square().sum(dim=(2, 3)).mean(dim=1)
    return (errors * is_known).sum() / is_known.sum().clamp(min=1)


def compute_keypoint_entropy(logits: Tensor, keypoints_xyv: Tensor, boxes_xyxy: Tensor) -> Tensor:
    """Cross-entropy over the cells of each heatmap, one of which is the keypoint's (Mask R-CNN).

    Args:
        logits: (N, K, S, S).
        keypoints_xyv: (N, K, 3), of the person of each region.
        boxes_xyxy: (N, 4), the regions.

    Returns:
        A scalar: the mean over the keypoints that are known and inside; 0 without any.
    """
    rows = torch.arange(len(boxes_xyxy), device=boxes_xyxy.device)
    loss: Tensor = keypointrcnn_loss(logits.float(), [boxes_xyxy], [keypoints_xyv], [rows])
    return loss


def compute_mask_loss(
    logits: Tensor, masks: Tensor, labels: Tensor, matched: Tensor, boxes_xyxy: Tensor
) -> Tensor:
    """Binary cross-entropy of masks, of the true class alone (Eq. 8).

    Args:
        logits: (N, classes, S, S).
        masks: (P, H, W), of the image's people.
        labels: (P,), their classes.
        matched: (N,), which of them each region is.
        boxes_xyxy: (N, 4), the regions.

    Returns:
        A scalar: the mean over regions and cells; 0 without any.
    """
    loss: Tensor = maskrcnn_loss(logits.float(), [boxes_xyxy], [masks], [labels], [matched])
    return loss
