"""RAFT of torchvision, and its call on images of any size."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad
from torchvision.models.optical_flow import raft_large, raft_small

_STRIDE = 8
_LEAST_SIDE_PX = 128
"""Below it the coarsest correlations would have no extent."""


def make_raft(name: str) -> nn.Module:
    """Make a network of `models.raft.variants.NETWORKS` with random weights."""
    make = {"raft-large": raft_large, "raft-small": raft_small}[name]
    network: nn.Module = make(weights=None, progress=False)
    return network


def estimate_flow(network: nn.Module, previous: Tensor, images: Tensor, *, num_updates: int = 12) -> Tensor:
    """Estimate the motion between images.

    Args:
        network: A network of `make_raft`, in evaluation mode.
        previous: (B, 3, H, W) uint8, RGB.
        images: (B, 3, H, W) uint8, RGB, on the same device.
        num_updates: Number of refinements; torchvision's default is 12.

    Returns:
        (B, 2, H, W) float32, x and y in pixels: what torchvision's network gives for these images, scaled to
        -1..1, in its last refinement. Where a side is no multiple of 8, or less than 128, the images are
        extended by their border, on both sides, and the flow there is cut off.
    """
    height, width = images.shape[-2:]
    left, right = _split(width)
    top, bottom = _split(height)
    inputs = [
        pad(part.float() / 127.5 - 1, (left, right, top, bottom), mode="replicate")
        for part in (previous, images)
    ]
    flow: Tensor = network(*inputs, num_flow_updates=num_updates)[-1]
    return flow[..., top : top + height, left : left + width]


def _split(side_px: int) -> tuple[int, int]:
    """By how much a side is extended before and behind."""
    extra = max(-(-side_px // _STRIDE) * _STRIDE, _LEAST_SIDE_PX) - side_px
    return extra // 2, extra - extra // 2
