"""MoveNet's networks by name; nothing here imports torch."""

from __future__ import annotations

from models.backbones.variants import MOVENET_MULTIPOSE, MOVENET_THUNDER, MoveNetConfig

NETWORKS: dict[str, MoveNetConfig] = {
    "movenet-multipose": MOVENET_MULTIPOSE,
    "movenet-thunder": MOVENET_THUNDER,
}
"""Networks by name: the first finds people and their poses, the second the pose in a box."""
