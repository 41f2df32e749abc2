"""The networks of dense poses in crops by name, each as one configuration; nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.backbones.variants import MOVENET_THUNDER, MoveNetConfig


@dataclass(frozen=True)
class DenseCropConfig:
    """One network of dense poses in crops.

    Attributes:
        body: The variant of MoveNet that the features come from, its heatmaps of keypoints among them.
        width: Channels of the convolutions at 1/8 of the crop.
        depth: Number of these.
        fine_width: Channels at 1/4, from which the outputs are computed.
    """

    body: MoveNetConfig
    width: int = 128
    depth: int = 4
    fine_width: int = 96


NETWORKS: dict[str, DenseCropConfig] = {"thunder-densepose": DenseCropConfig(MOVENET_THUNDER)}
"""Networks by name."""
