"""Losses of the heads on regions, and the weighted sum of all losses.

Source: Ye and Ma, "Offset Allows for Extra Flexibility", 2021, section 3.3, Eq. 1, 8 and 9; He et al., "Mask
R-CNN", ICCV 2017, section 3 (the cross-entropy over cells), through torchvision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from torch import Tensor, arange
from torchvision.models.detection.roi_heads import keypointrcnn_loss, maskrcnn_loss

from models.rcnn.codec import encode_keypoints
from models.rcnn.variants import LossWeights


def weight_losses(losses: Mapping[str, Tensor], weights: LossWeights) -> dict[str, Tensor]:
    """Multiply each loss by its weight.

    Args:
        losses: Scalars under the names of `LossWeights`.
        weights: The weight of each.

    Returns:
        The products by name, whose sum is minimised.
    """
    factors = asdict(weights)
    return {name: loss * factors[name] for name, loss in losses.items()}


def compute_keypoint_loss(heatmaps: Tensor, keypoints_xyv: Tensor, boxes_xyxy: Tensor) -> Tensor:
    """Squared error of heatmaps against Gaussians (Eq. 9).

    Differs from Eq. 9 in the mean over keypoints, where it has the sum, so that the loss is of the size of the
    others. People none of whose keypoints are annotated are left out.

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
        A scalar: the mean over the annotated keypoints inside their regions; 0 without any.
    """
    rows = arange(len(boxes_xyxy), device=boxes_xyxy.device)
    loss: Tensor = keypointrcnn_loss(logits.float(), [boxes_xyxy], [keypoints_xyv], [rows])
    return loss


def compute_mask_loss(
    logits: Tensor,
    boxes_xyxy: Sequence[Tensor],
    rows: Sequence[Tensor],
    targets: Sequence[Mapping[str, Tensor]],
) -> Tensor:
    """Binary cross-entropy of masks, of the true class alone (Eq. 8).

    Args:
        logits: (N, classes, S, S), of the regions of all images.
        boxes_xyxy: For each image its regions (n, 4).
        rows: For each image the person of each region (n,).
        targets: For each image `masks` (P, H, W) and `labels` (P,) of its people; sizes may differ.

    Returns:
        A scalar: the mean over regions and cells; 0 without any.
    """
    masks, labels = ([target[name] for target in targets] for name in ("masks", "labels"))
    loss: Tensor = maskrcnn_loss(logits.float(), list(boxes_xyxy), masks, labels, list(rows))
    return loss
