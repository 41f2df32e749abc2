"""The targets of a batch of bottom-up pose estimation: heatmaps and masks, made on the network's device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from models.swahr.codec import SIGMA_CELLS, compute_box_sigmas, encode_heatmaps, encode_keypoint_masks
from models.swahr.network import STAGE_STRIDES


def encode_targets(
    batch: Mapping[str, Any],
    *,
    unknown_keypoints: str = "background",
    is_sigma_scaled: bool = False,
    sigma_cells: float = SIGMA_CELLS,
) -> tuple[list[Tensor], list[Tensor]]:
    """Make the heatmaps and masks of a batch of `CrowdDataset`, on its device.

    Args:
        batch: Collated samples.
        unknown_keypoints: `background`, as in the public code; or `masked`: the box of a person whose keypoint
            is unknown does not count for that keypoint, except where another person's is drawn.
        is_sigma_scaled: Whether each person's sigma is proportional to its box width (SHR, Table 4).
        sigma_cells: Else the sigma of all.

    Returns:
        Heatmaps (B, K, h, w) at 1/4 and 1/2, and masks there, (B, h, w), or (B, K, h, w) if `masked`.

    Raises:
        ValueError: `unknown_keypoints` is neither.
    """
    if unknown_keypoints not in ("background", "masked"):
        raise ValueError(f"unknown_keypoints '{unknown_keypoints}': known: background, masked")
    sigmas = compute_box_sigmas(batch["box_widths_px"]) if is_sigma_scaled else sigma_cells
    heatmaps, masks = [], []
    for stride, mask in zip(STAGE_STRIDES, batch["masks"], strict=True):
        map_wh = (mask.shape[2], mask.shape[1])
        targets = encode_heatmaps(batch["keypoints_xy"], batch["is_known"], map_wh, stride, sigmas)
        if unknown_keypoints == "masked":
            mask = encode_keypoint_masks(
                mask, targets, batch["boxes_xyxy"], ~batch["is_known"], batch["matrices"], stride
            )
        heatmaps.append(targets)
        masks.append(mask)
    return heatmaps, masks
