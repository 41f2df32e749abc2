"""Averaging of maps over a network's stages, mirrored images and several scales.

Source: Cheng et al., CVPR 2020, section 3.4, and HigherHRNet's public code, whose maps these are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from models.swahr.network import split_outputs

Network = Callable[[Tensor], Sequence[Tensor]]
Stages = Literal["both", "half"]


@dataclass(frozen=True, eq=False)
class PoseMaps:
    """Aggregated heatmaps and tag maps of a batch.

    Attributes:
        heatmaps: (B, K, H, W).
        tags: Maps of the same shape: those of the image, and those of the mirrored image, mirrored back.
    """

    heatmaps: Tensor
    tags: tuple[Tensor, ...]


def merge_stages(
    outputs: Sequence[Tensor], num_keypoints: int, stages: Stages = "both"
) -> tuple[Tensor, Tensor]:
    """Merge the stages' heatmaps at the finer resolution, and enlarge the tags of the first to it.

    Args:
        outputs: The network's outputs.
        num_keypoints: K.
        stages: `both` stages' heatmaps are averaged, or the `half` ones alone are taken (SWAHR, Tables 7
            and 8).

    Returns:
        Heatmaps and tags, (B, K, H, W) each.
    """
    first, second = split_outputs(outputs, num_keypoints)
    assert first.tags is not None
    H, W = second.heatmaps.shape[2:]
    heatmaps = second.heatmaps
    if stages == "both":
        heatmaps = (_resize(first.heatmaps, (W, H)) + heatmaps) / 2
    return heatmaps, _resize(first.tags, (W, H))


@torch.no_grad()
def predict_maps(
    network: Network,
    images: Sequence[Tensor],
    scales: Sequence[float],
    *,
    num_keypoints: int,
    flip_index: Sequence[int] | None = None,
    projected_wh: tuple[int, int] | None = None,
    stages: Stages = "both",
) -> PoseMaps:
    """Compute the maps of images at one or several scales, with or without flip test.

    Args:
        network: Returns the outputs of both stages.
        images: (B, 3, H, W) for each scale, normalised.
        scales: Scales in descending order; with several, tags are those at scale 1.
        num_keypoints: K.
        flip_index: For each keypoint its mirror image; None does without the mirror.
        projected_wh: Width and height that all maps are resized to, that of the image at scale 1; None leaves
            them at the resolution of the largest scale's.
        stages: As `merge_stages` takes it.

    Returns:
        The maps; with flip test there are two tag maps.

    Raises:
        ValueError: The scales do not match the images, do not descend, or are several without 1.
    """
    if len(images) != len(scales) or not scales or list(scales) != sorted(scales, reverse=True):
        raise ValueError(
            f"scales: expected {len(images)} from large to small, one an image, got {list(scales)}"
        )
    if len(scales) > 1 and 1 not in scales:
        raise ValueError(f"scales: expected 1 among {list(scales)}, where tags are taken from")
    total: Tensor | None = None
    tags: tuple[Tensor, ...] = ()
    for image, scale in zip(images, scales, strict=True):
        found = _look(network, image, num_keypoints, flip_index, stages)
        H, W = found.heatmaps.shape[2:] if total is None else total.shape[2:]
        size_wh = projected_wh or (W, H)
        heatmaps = _resize(found.heatmaps, size_wh)
        total = heatmaps if total is None else total + heatmaps
        if scale == 1 or len(scales) == 1:
            tags = tuple(_resize(channel, size_wh) for channel in found.tags)
    assert total is not None
    return PoseMaps(total / len(scales), tags)


def _look(
    network: Network, image: Tensor, num_keypoints: int, flip_index: Sequence[int] | None, stages: Stages
) -> PoseMaps:
    """The maps of one scale."""
    heatmaps, tags = merge_stages(network(image), num_keypoints, stages)
    if flip_index is None:
        return PoseMaps(heatmaps, (tags,))
    mirrored = merge_stages(network(image.flip(3)), num_keypoints, stages)
    index = torch.as_tensor(flip_index, device=heatmaps.device)
    mirrored_heatmaps, mirrored_tags = (maps.flip(3).index_select(1, index) for maps in mirrored)
    return PoseMaps((heatmaps + mirrored_heatmaps) / 2, (tags, mirrored_tags))


def _resize(maps: Tensor, size_wh: tuple[int, int]) -> Tensor:
    W, H = size_wh
    if maps.shape[2:] == (H, W):
        return maps
    return interpolate(maps, size=(H, W), mode="bilinear", align_corners=False)
