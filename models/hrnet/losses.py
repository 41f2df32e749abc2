"""Losses between heatmaps and their targets.

Source: Sun et al., CVPR 2019, section 3 ("Heatmap estimation"); online hard keypoint mining after Chen et al.,
"Cascaded Pyramid Network for Multi-Person Pose Estimation", CVPR 2018, section 3.2.
"""

from __future__ import annotations

from torch import Tensor

HARD_KEYPOINTS = 8
"""Keypoints of a person that count with hard mining (Cascaded Pyramid Network, Table 6)."""


def compute_heatmap_loss(heatmaps: Tensor, targets: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Mean squared error of heatmaps.

    Args:
        heatmaps: (N, K, H, W), as the network gives them.
        targets: (N, K, H, W), as `encode_heatmaps` gives them.
        weights: (N, K), what each heatmap's difference is multiplied by, before it is squared, as in HRNet's
            public code: a keypoint of weight w counts w * w. 0 leaves it out. To weigh by a score, give its
            root.

    Returns:
        `heatmap`: half the mean over N, K, H and W of the squared differences, keypoints without a weight
        counting as 0.
    """
    return {"heatmap": _compute_keypoint_losses(heatmaps, targets, weights).mean()}


def compute_hard_heatmap_loss(
    heatmaps: Tensor, targets: Tensor, weights: Tensor, hard_keypoints: int = HARD_KEYPOINTS
) -> dict[str, Tensor]:
    """Mean squared error of each person's worst heatmaps: online hard keypoint mining.

    Args:
        heatmaps: (N, K, H, W), as the network gives them.
        targets: (N, K, H, W), as `encode_heatmaps` gives them.
        weights: (N, K), as for `compute_heatmap_loss`.
        hard_keypoints: So many of a person's keypoints count, those with the largest loss; all K where K is
            less.

    Returns:
        `heatmap`: half the mean over N, the hard keypoints, H and W of the squared differences.
    """
    losses = _compute_keypoint_losses(heatmaps, targets, weights)
    hardest = losses.topk(min(hard_keypoints, losses.shape[1]), dim=1, sorted=False).values
    return {"heatmap": hardest.mean()}


def _compute_keypoint_losses(heatmaps: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Half the mean squared difference of each heatmap, (N, K), in float32 whatever the network computes in."""
    differences = (heatmaps.float() - targets.float()) * weights.float()[..., None, None]
    return 0.5 * differences.square().mean(dim=(2, 3))
