"""Losses of heatmaps.

Source: Sun et al., CVPR 2019, section 3 ("Heatmap estimation"); online hard keypoint mining after Chen et al.,
"Cascaded Pyramid Network for Multi-Person Pose Estimation", CVPR 2018, section 3.2.
"""

from __future__ import annotations

from torch import Tensor

HARD_KEYPOINTS = 8
"""Number of a person's keypoints that count with hard mining (Cascaded Pyramid Network, Table 6)."""


def compute_heatmap_loss(heatmaps: Tensor, targets: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Compute the mean squared error of heatmaps.

    Args:
        heatmaps: (N, K, H, W), the network's output.
        targets: (N, K, H, W), from `encode_heatmaps`.
        weights: (N, K), factors of the differences before they are squared, as in HRNet's public code: a
            keypoint of weight w counts w * w. To weight a keypoint by its score, pass the square root.

    Returns:
        `heatmap`: half the mean over N, K, H and W of the squared differences; keypoints without weight count
            as
        0.
    """
    return {"heatmap": _compute_keypoint_losses(heatmaps, targets, weights).mean()}


def compute_hard_heatmap_loss(
    heatmaps: Tensor, targets: Tensor, weights: Tensor, hard_keypoints: int = HARD_KEYPOINTS
) -> dict[str, Tensor]:
    """Compute the mean squared error of each person's worst heatmaps: online hard keypoint mining.

    Args:
        heatmaps: (N, K, H, W), the network's output.
        targets: (N, K, H, W), from `encode_heatmaps`.
        weights: (N, K), as for `compute_heatmap_loss`.
        hard_keypoints: Number of a person's keypoints that count, those with the largest loss; at most K.

    Returns:
        `heatmap`: half the mean over N, the hard keypoints, H and W of the squared differences.
    """
    losses = _compute_keypoint_losses(heatmaps, targets, weights)
    hardest = losses.topk(min(hard_keypoints, losses.shape[1]), dim=1, sorted=False).values
    return {"heatmap": hardest.mean()}


def _compute_keypoint_losses(heatmaps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Compute half the mean squared difference of each heatmap, (N, K), always in float32."""
    differences = (heatmaps.float() - targets.float()) * weights.float()[..., None, None]
    return 0.5 * differences.square().mean(dim=(2, 3))
