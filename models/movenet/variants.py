"""Names and configurations of MoveNet's networks, without importing torch."""

from __future__ import annotations

from models.backbones.variants import MOVENET_MULTIPOSE, MOVENET_THUNDER, MoveNetConfig

NETWORKS: dict[str, MoveNetConfig] = {
    "movenet-multipose": MOVENET_MULTIPOSE,
    "movenet-thunder": MOVENET_THUNDER,
}
"""Networks by name: the first detects people with their poses; from the second `thunder-heatmaps` began."""
