"""Names and configurations of the top-down and classification networks, without importing torch."""

from __future__ import annotations

from models.backbones.variants import (
    HRNET_W18,
    HRNET_W24,
    HRNET_W24_FROM_START,
    HRNET_W32,
    HRNET_W32_ACROSS_EXCHANGE,
    HRNET_W32_FINAL_EXCHANGE,
    HRNET_W48,
    HRNET_W60_FINEST_ONLY,
    MOVENET_THUNDER,
    RESNET_50,
    RESNET_101,
    RESNET_152,
    HRNetConfig,
    MoveNetConfig,
    ResNetConfig,
)

NETWORKS: dict[str, HRNetConfig | ResNetConfig | MoveNetConfig] = {
    "hrnet-w18": HRNET_W18,
    "hrnet-w24": HRNET_W24,
    "hrnet-w32": HRNET_W32,
    "hrnet-w48": HRNET_W48,
    "hrnet-w24-from-start": HRNET_W24_FROM_START,
    "hrnet-w60-finest-only": HRNET_W60_FINEST_ONLY,
    "hrnet-w32-final-exchange": HRNET_W32_FINAL_EXCHANGE,
    "hrnet-w32-across-exchange": HRNET_W32_ACROSS_EXCHANGE,
    "resnet-50": RESNET_50,
    "resnet-101": RESNET_101,
    "resnet-152": RESNET_152,
    "thunder-heatmaps": MOVENET_THUNDER,
}
"""Networks by name; those of ResNet are SimpleBaseline, the last is MoveNet's backbone with heatmaps."""

CLASS_NETWORKS: dict[str, HRNetConfig | ResNetConfig] = {
    "hrnet-w18-imagenet": HRNET_W18,
    "hrnet-w24-imagenet": HRNET_W24,
    "hrnet-w32-imagenet": HRNET_W32,
    "hrnet-w48-imagenet": HRNET_W48,
    "resnet-50-imagenet": RESNET_50,
    "resnet-101-imagenet": RESNET_101,
    "resnet-152-imagenet": RESNET_152,
}
"""Classification networks by name."""

CODINGS = ("offset", "dark", "udp")
"""The heatmap codings of `models.hrnet.codec`."""
