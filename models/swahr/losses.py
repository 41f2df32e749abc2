"""Losses of bottom-up pose: scale- and weight-adaptive heatmap regression, and associative embedding.

Source: Luo et al., "Rethinking the Heatmap Regression for Bottom-up Human Pose Estimation", CVPR 2021, section
3; tags after Newell et al., "Associative Embedding", NIPS 2017, section 3.2. The defaults are those of the
public code (github.com/greatlog/SWAHR-HumanPose); where the paper differs, there is an option.

A batch has, by name:
    `heatmaps`: at 1/4 and at 1/2, (B, K, H, W) float32: the targets of Eq. 2, for one fixed sigma.
    `masks`: at 1/4 and at 1/2, (B, H, W), 1 where the image counts and 0 over crowds and people without
        annotated keypoints; or (B, K, H, W), if they differ between keypoints.
    `tag_xy`: (B, M, K, 2) int, the cells of M people's keypoints at 1/4, x then y; any number of rows may be
        padding.
    `tag_is_visible`: (B, M, K) bool, whether the keypoint is annotated and in the map; false for padding.

The naive baseline of Table 4, SHR, has no loss of its own: its targets have sigma * (box width / 256) for each
person, which the encoding does, and its loss is Eq. 3, neither scale- nor weight-adaptive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.settings import check_choice, check_range
from models.swahr.network import StageMaps, split_outputs

STAGE_NAMES = ("quarter", "half")
"""Names of the stages by their resolution, used in the names of the losses."""


@dataclass(frozen=True)
class SwahrLossConfig:
    """Settings of the losses.

    SWAHR is adaptive in both, SAHR and WAHR in one, and HigherHRNet in neither (Table 3).

    Attributes:
        adaptive_scale: Whether the network's scale maps change the targets (SAHR, Eq. 9); otherwise scale maps
            are ignored.
        adaptive_weight: Whether pixels are weighted by their error (WAHR, Eq. 13).
        gamma: Gamma of Eq. 13, above 0.
        regularizer_weight: Lambda of Eq. 9.
        heatmap_weights: Weights of the heatmap losses at 1/4 and at 1/2.
        push_weight: Weight of the loss that separates the tags of different people.
        pull_weight: Weight of the loss that pulls the tags of one person together.
        scale_branch: Meaning of the scale maps: `alpha`, 1/s - 1, as in the public code, or `scale`, the
            paper's scale as ln s, so that s is positive and starts at 1.
        target_scaling: `expansion` by Eq. 8, or `power` by Eq. 6, of which Eq. 8 is the expansion. (Eq. 5 would
            give 1/s^2 where Eq. 6 has 1/s; this follows Eq. 6.)
        weight_target: Whether H of Eq. 13 is the `unscaled` target, as in the public code, or the `scaled` one,
            which is a possible reading of the paper on using both.
        reduction: Reduction over channels and pixels: `mean` as in the public code, or `sum` as in the norms of
            Eq. 3, 7 and 9. Images are averaged in either case.
    """

    adaptive_scale: bool = True
    adaptive_weight: bool = True
    gamma: float = 0.01
    regularizer_weight: float = 1.0
    heatmap_weights: tuple[float, float] = (1.0, 1.0)
    push_weight: float = 0.001
    pull_weight: float = 0.001
    scale_branch: str = "alpha"
    target_scaling: str = "expansion"
    weight_target: str = "unscaled"
    reduction: str = "mean"

    def __post_init__(self) -> None:
        check_choice(self, "scale_branch", ("alpha", "scale"))
        check_choice(self, "target_scaling", ("expansion", "power"))
        check_choice(self, "weight_target", ("unscaled", "scaled"))
        check_choice(self, "reduction", ("mean", "sum"))
        check_range(self, 1e-6, 1e3, "gamma")
        check_range(self, 0, 1e9, "regularizer_weight", "push_weight", "pull_weight")
        if min(self.heatmap_weights) < 0:
            raise ValueError(f"heatmap_weights: expected no number below 0, got {self.heatmap_weights}")


SWAHR_LOSS = SwahrLossConfig()
"""The factor of the public code."""


def compute_swahr_losses(
    outputs: Sequence[Tensor],
    heatmaps: Sequence[Tensor],
    masks: Sequence[Tensor],
    *,
    tag_xy: Tensor,
    tag_is_visible: Tensor,
    config: SwahrLossConfig = SWAHR_LOSS,
) -> dict[str, Tensor]:
    """Compute the losses of a batch, whose sum is minimised.

    Args:
        outputs: The outputs of `HigherHRNet`, both stages.
        heatmaps: See the docstring of this module, also for `masks`, `tag_xy` and `tag_is_visible`.
        masks: See there.
        tag_xy: See there.
        tag_is_visible: See there.
        config: Settings of the losses.

    Returns:
        Scalars, weighted: `heatmap_quarter`, `heatmap_half`, `push`, `pull`, and with adaptive scale
        `scale_quarter` and `scale_half`, the regularisers.

    Raises:
        ValueError: The channels of the outputs do not match the targets' keypoints, or the loss is
            scale-adaptive and the network has no scale maps.
    """
    stages = split_outputs(outputs, heatmaps[0].shape[1])
    losses: dict[str, Tensor] = {}
    for i, name in enumerate(STAGE_NAMES):
        heatmap, regularizer = compute_stage_losses(stages[i], heatmaps[i], masks[i], config)
        losses[f"heatmap_{name}"] = config.heatmap_weights[i] * heatmap
        if regularizer is not None:
            losses[f"scale_{name}"] = config.regularizer_weight * regularizer
    tags = stages[0].tags
    assert tags is not None
    push, pull = compute_tag_losses(tags, tag_xy, tag_is_visible)
    losses["push"] = config.push_weight * push
    losses["pull"] = config.pull_weight * pull
    return losses


def compute_stage_losses(
    maps: StageMaps, targets: Tensor, mask: Tensor, config: SwahrLossConfig = SWAHR_LOSS
) -> tuple[Tensor, Tensor | None]:
    """Compute one stage's losses of heatmaps and of scale maps (Eq. 3, 9 and 11).

    Args:
        maps: The stage's maps.
        targets: (B, K, H, W) in 0..1.
        mask: (B, H, W) or (B, K, H, W), 1 where the image counts.
        config: Settings of the losses; the weights are not applied.

    Returns:
        The loss of the heatmaps, and the regulariser of the scale maps, or None if not scale-adaptive; always
        float32.

    Raises:
        ValueError: The loss is scale-adaptive and there are no scale maps.
    """
    heatmaps, targets = maps.heatmaps.float(), targets.float()
    mask = mask.float() if mask.ndim == targets.ndim else mask.float()[:, None]
    scaled, regularizer = targets, None
    if config.adaptive_scale:
        if maps.alpha is None:
            raise ValueError("adaptive_scale: the network has no scale maps; make it with has_scale_maps=True")
        alpha = compute_alpha(maps.alpha, config.scale_branch)
        # The scale is undefined outside of people (Eq. 7); this also removes the infinite gradient of H^gamma
        # there.
        alpha = torch.where(targets > 0, alpha, 0.0)
        scaled = scale_targets(targets, alpha, config.target_scaling)
        regularizer = _reduce(alpha.square() * mask, config.reduction)
    errors = (heatmaps - scaled).square() * mask
    if config.adaptive_weight:
        reference = scaled if config.weight_target == "scaled" else targets
        errors = errors * compute_pixel_weights(heatmaps, reference, config.gamma)
    return _reduce(errors, config.reduction), regularizer


def compute_alpha(scale_maps: Tensor, scale_branch: str = "alpha") -> Tensor:
    """Compute alpha = 1/s - 1 from the output of the scale branch, by `SwahrLossConfig.scale_branch`.

    Args:
        scale_maps: (B, K, H, W).
        scale_branch: `alpha`, or `scale` for ln s.

    Returns:
        (B, K, H, W) float32.

    Raises:
        ValueError: `scale_branch` is neither.
    """
    if scale_branch == "alpha":
        return scale_maps.float()
    if scale_branch == "scale":
        return torch.expm1(-scale_maps.float())
    raise ValueError(f"scale_branch '{scale_branch}': known: alpha, scale")


def scale_targets(targets: Tensor, alpha: Tensor, target_scaling: str = "expansion") -> Tensor:
    """Widen or narrow the Gaussians of heatmaps, pixel by pixel (Eq. 6 and 8).

    Args:
        targets: H, (B, K, H, W) in 0..1, with one sigma.
        alpha: (B, K, H, W), 1/s - 1; negative values widen, positive ones narrow.
        target_scaling: `expansion`, or `power`.

    Returns:
        (B, K, H, W): H (1 + (1 + alpha ln H)^2) / 2 by expansion, H^(1 + alpha) by power; 0 where H is 0.

    Raises:
        ValueError: `target_scaling` is neither.
    """
    if target_scaling not in ("expansion", "power"):
        raise ValueError(f"target_scaling '{target_scaling}': known: expansion, power")
    # ln 1 = 0 replaces the logarithm where H is 0, so that gradients are finite.
    exponents = alpha * torch.where(targets > 0, targets, 1.0).log()
    if target_scaling == "power":
        return targets * exponents.exp()
    return targets * 0.5 * (1 + (1 + exponents).square())


def compute_pixel_weights(heatmaps: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """Compute the adaptive weights, which are larger for hard pixels (Eq. 13).

    Args:
        heatmaps: P, (B, K, H, W), the network's output; gradients flow through the weights too.
        targets: H, (B, K, H, W), not negative.
        gamma: Parameter of the soft boundary between keypoint and background, where H = 2^(-1 / gamma).

    Returns:
        (B, K, H, W): H^gamma |1 - P| + (1 - H^gamma) |P|.
    """
    powers = targets**gamma
    return powers * (1 - heatmaps).abs() + (1 - powers) * heatmaps.abs()


def compute_tag_losses(tags: Tensor, tag_xy: Tensor, tag_is_visible: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the losses of associative embedding: similar tags within a person, different ones between people.

    With t the mean tag of each of n people, push is the sum over i != j of exp(-(t_i - t_j)^2), divided by
    2 n (n - 1), and 0 for one person or none; pull is the mean over people of the mean squared distance of
    their tags from t. People without visible keypoints do not count.

    Args:
        tags: (B, K, H, W).
        tag_xy: (B, M, K, 2) int, cells of the map, x then y.
        tag_is_visible: (B, M, K) bool; visible keypoints lie in the map.

    Returns:
        Push and pull, scalars: means over all images, also those without people; always float32.
    """
    W = tags.shape[3]
    is_visible = tag_is_visible.float()
    cells = torch.where(tag_is_visible, tag_xy[..., 1] * W + tag_xy[..., 0], 0).long()
    # (B, M, K), the tag of each keypoint.
    values = tags.float().flatten(2).gather(2, cells.transpose(1, 2)).transpose(1, 2)
    counts = is_visible.sum(dim=2)
    means = (values * is_visible).sum(dim=2) / counts.clamp(min=1)
    distances = ((values - means[..., None]).square() * is_visible).sum(dim=2) / counts.clamp(min=1)
    is_there = (counts > 0).float()
    people = is_there.sum(dim=1)
    pull = distances.sum(dim=1) / people.clamp(min=1)
    is_pair = is_there[:, :, None] * is_there[:, None, :]
    is_pair = is_pair * (1 - torch.eye(is_pair.shape[1], device=tags.device))
    likeness = (-(means[:, :, None] - means[:, None, :]).square()).exp() * is_pair
    push = 0.5 * likeness.sum(dim=(1, 2)) / (people * (people - 1)).clamp(min=1)
    return push.mean(), pull.mean()


def _reduce(errors: Tensor, reduction: str) -> Tensor:
    return errors.mean() if reduction == "mean" else errors.sum(dim=(1, 2, 3)).mean()
